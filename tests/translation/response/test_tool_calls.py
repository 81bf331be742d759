"""Which tool call does a fragment belong to?"""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.tool_calls import CallTracker, client_id

Shown = tuple[str, str, str]


def tracked(*fragments: ToolCall) -> list[Shown]:
    """Id, name and arguments of the calls that these fragments make."""
    tracker = CallTracker()
    for fragment in fragments:
        tracker.feed(fragment)
    return [(call.id, call.name, call.drain()) for call in tracker.calls]


FRAGMENTS: list[tuple[str, list[ToolCall], list[Shown]]] = [
    (
        "one call in pieces",
        [ToolCall(0, "c1", "A"), ToolCall(0, arguments='{"a":'), ToolCall(0, arguments="1}")],
        [("c1", "A", '{"a":1}')],
    ),
    (
        "two calls by index",
        [ToolCall(0, "c1", "A", "{}"), ToolCall(1, "c2", "B", "{}")],
        [("c1", "A", "{}"), ("c2", "B", "{}")],
    ),
    (
        "F71 in turns",
        [ToolCall(0, "c1", "A", '{"a":'), ToolCall(1, "c2", "B", "{}"), ToolCall(0, "", "", "1}")],
        [("c1", "A", '{"a":1}'), ("c2", "B", "{}")],
    ),
    (
        "F69 one index, another id and a name",
        [ToolCall(0, "c1", "A", "{}"), ToolCall(0, "c2", "A", "{}")],
        [("c1", "A", "{}"), ("c2", "A", "{}")],
    ),
    (
        "F69 one index, back to the first id",
        [
            ToolCall(0, "c1", "A", '{"a":'),
            ToolCall(0, "c2", "B", "{}"),
            ToolCall(0, "c1", "", "1}"),
        ],
        [("c1", "A", '{"a":1}'), ("c2", "B", "{}")],
    ),
    (
        "F69 one index, no id: the latest",
        [
            ToolCall(0, "c1", "A", "{}"),
            ToolCall(0, "c2", "B", '{"b":'),
            ToolCall(0, "", "", "1}"),
        ],
        [("c1", "A", "{}"), ("c2", "B", '{"b":1}')],
    ),
    (
        "one index, another id, no name",
        [ToolCall(0, "c1", "A", '{"a":'), ToolCall(0, "c9", "", "1}")],
        [("c1", "A", '{"a":1}')],
    ),
    (
        "F70 no index, ids",
        [
            ToolCall(None, "c1", "A", "{}"),
            ToolCall(None, "c2", "B", '{"b":'),
            ToolCall(None, "c2", "", "1"),
            ToolCall(None, "", "", "}"),
        ],
        [("c1", "A", "{}"), ("c2", "B", '{"b":1}')],
    ),
    (
        "no index, no id, a name behind a complete call",
        [ToolCall(None, "", "A", "{}"), ToolCall(None, "", "B", "{}")],
        [("", "A", "{}"), ("", "B", "{}")],
    ),
    (
        "no index, no id, a name behind arguments in quotes",
        [ToolCall(None, "", "A", r'"{\"a\":\"\\\"\"}"'), ToolCall(None, "", "A", '"{}"')],
        [("", "A", '{"a":"\\""}'), ("", "A", "{}")],
    ),
    (
        "one index, no id, a name behind arguments in quotes",
        [ToolCall(0, "", "A", '"{}'), ToolCall(0, "", "", '"'), ToolCall(0, "", "B", '"{}"')],
        [("", "A", "{}"), ("", "B", "{}")],
    ),
    (
        "no index, no id, a name behind an open call",
        [ToolCall(None, "", "A", '{"a":'), ToolCall(None, "", "A", "1}")],
        [("", "A", '{"a":1}')],
    ),
    ("no index, no id, no name, no call", [ToolCall(None, arguments="{}")], []),
    (
        "F73 id and name in every fragment",
        [ToolCall(0, "c1", "A", '{"a":'), ToolCall(0, "c1", "A", "1}")],
        [("c1", "A", '{"a":1}')],
    ),
    (
        "a name in two pieces",
        [ToolCall(0, "c1", "Ba"), ToolCall(0, "", "sh")],
        [("c1", "Bash", "")],
    ),
    (
        "one id for two whole calls, no index",
        [ToolCall(None, "c1", "A", '{"a":1}'), ToolCall(None, "c1", "B", '{"b":1}')],
        [("c1", "A", '{"a":1}'), ("c1", "B", '{"b":1}')],
    ),
    (
        "one id and one name for two whole calls",
        [ToolCall(0, "c1", "A", '{"a":1}'), ToolCall(0, "c1", "A", '{"a":2}')],
        [("c1", "A", '{"a":1}'), ("c1", "A", '{"a":2}')],
    ),
    (
        "one id for two calls in pieces",
        [
            ToolCall(None, "c1", "A", "{}"),
            ToolCall(None, "c1", "B", '{"b":'),
            ToolCall(None, "c1", "", "1}"),
        ],
        [("c1", "A", "{}"), ("c1", "B", '{"b":1}')],
    ),
    (
        "a whole call once more",
        [ToolCall(None, "c1", "A", '{"a":1}'), ToolCall(None, "c1", "A", '{"a":1}')],
        [("c1", "A", '{"a":1}')],
    ),
    (
        "F78 arguments behind empty ones",
        [ToolCall(0, "c1", "A", "{}"), ToolCall(0, "c1", "A", '{"a":1}')],
        [("c1", "A", "{}")],
    ),
    (
        "all that there is so far in each piece",
        [
            ToolCall(0, "c1", "A", '{"a"'),
            ToolCall(0, "c1", "A", '{"a": "b'),
            ToolCall(0, "c1", "A", '{"a": "b"}'),
        ],
        [("c1", "A", '{"a": "b"}')],
    ),
    (
        "a value that begins like the whole",
        [ToolCall(0, "c1", "A", '{"a":'), ToolCall(0, "", "", '{"a":1}}')],
        [("c1", "A", '{"a":{"a":1}}')],
    ),
    ("a late id", [ToolCall(0, "", "A"), ToolCall(0, "c1", "", "{}")], [("c1", "A", "{}")]),
]


@pytest.mark.parametrize(
    ("fragments", "calls"), [f[1:] for f in FRAGMENTS], ids=[f[0] for f in FRAGMENTS]
)
def test_fragment_finds_its_call(fragments: list[ToolCall], calls: list[Shown]) -> None:
    """The specification, D4: by index, unless a new id comes with a name; else by id. S13."""
    assert tracked(*fragments) == calls


def test_name_does_not_change_once_it_was_shown() -> None:
    """The specification, D4: a client has read it."""
    tracker = CallTracker()
    call = tracker.feed(ToolCall(0, "c1", "A"))
    assert call is not None
    call.opened = True
    tracker.feed(ToolCall(0, "", "B"))
    assert call.name == "A"


def test_arguments_are_handed_out_once() -> None:
    """Ours: `drain` empties."""
    tracker = CallTracker()
    call = tracker.feed(ToolCall(0, "c1", "A", "{}"))
    assert call is not None
    assert (call.complete, call.begun, call.drain(), call.drain()) == (True, True, "{}", "")


IDS: list[tuple[str, str, str]] = [
    ("usable", "call_1-A", "call_1-A"),
    ("F72 missing", "", "toolu_new"),
    ("F72 with other characters", "functions.Bash:0", "toolu_new"),
    ("F72 too long", "c" * 65, "toolu_new"),
    ("long enough", "c" * 64, "c" * 64),
    ("used before", "old", "toolu_new"),
]


@pytest.mark.parametrize(("given", "shown"), [i[1:] for i in IDS], ids=[i[0] for i in IDS])
def test_id_is_the_backends_own_where_it_is_usable_and_new(given: str, shown: str) -> None:
    """F72; Claude Code leaves a call unrun whose id it has seen."""
    used = {"old"}
    assert client_id(given, used, lambda: "new") == shown
    assert shown in used
