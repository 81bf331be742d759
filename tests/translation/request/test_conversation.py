"""The order of a conversation and its repair: chat completions are strict where clients are not."""

from __future__ import annotations

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.translate import TranslationOptions
from tests.shapes import Json
from tests.translation.asking import (
    assistant,
    call,
    image,
    result,
    sent_messages,
    system,
    text,
    thinking,
    to_backend,
    up_call,
    up_calls,
    up_image,
    up_result,
    up_user,
    user,
)

NOT_EXECUTED = "(no result: the call was not executed)"
Q = user("q")
UP_Q = up_user("q")


def says(words: str) -> Json:
    return {"role": "assistant", "content": words}


def one_call(identity: str = "t1", content: str = "") -> Json:
    return up_calls(up_call(identity), content=content)


ORDERS: list[tuple[str, list[Json], list[Json]]] = [
    (
        "F27 text with a call, its result, then text",
        [Q, assistant("a", call("t1")), user(result("t1", "r"), "go")],
        [UP_Q, one_call(content="a"), up_result("t1", "r"), up_user("go")],
    ),
    (
        "F28 text in front of the result",
        [Q, assistant("a", call("t1")), user("go", result("t1", "r"))],
        [UP_Q, one_call(content="a"), up_result("t1", "r"), up_user("go")],
    ),
    (
        "F29 two results in another order than the calls",
        [Q, assistant(call("t1"), call("t2", "B")), user(result("t2", "2"), result("t1", "1"))],
        [
            UP_Q,
            up_calls(up_call("t1"), up_call("t2", "B")),
            up_result("t2", "2"),
            up_result("t1", "1"),
        ],
    ),
    (
        "F32 an image in a result",
        [Q, assistant(call("t1")), user(result("t1", "r", image()))],
        [
            UP_Q,
            one_call(),
            up_result("t1", "r\n[1 image(s) attached below]"),
            up_user([text("Images returned by tool call t1:"), up_image()]),
        ],
    ),
    (
        "F33 two results, the first with an image, and text",
        [
            Q,
            assistant(call("t1"), call("t2")),
            user(result("t1", image()), result("t2", "r"), "go"),
        ],
        [
            UP_Q,
            up_calls(up_call("t1"), up_call("t2")),
            up_result("t1", "[1 image(s) attached below]"),
            up_result("t2", "r"),
            up_user([text("Images returned by tool call t1:"), up_image(), text("go")]),
        ],
    ),
    (
        "results in two messages",
        [Q, assistant(call("t1"), call("t2")), user(result("t1", "1")), user(result("t2", "2"))],
        [UP_Q, up_calls(up_call("t1"), up_call("t2")), up_result("t1", "1"), up_result("t2", "2")],
    ),
    (
        "F34 no result before the next answer",
        [Q, assistant(call("t1")), assistant("a"), user("z")],
        [UP_Q, one_call(content="a"), up_result("t1", NOT_EXECUTED), up_user("z")],
    ),
    (
        "F34 no result in the user's turn",
        [Q, assistant(call("t1")), user("z"), assistant("a"), user("y")],
        [UP_Q, one_call(), up_result("t1", NOT_EXECUTED), up_user("z"), says("a"), up_user("y")],
    ),
    (
        "F34 no result at the end",
        [Q, assistant(call("t1"))],
        [UP_Q, one_call(), up_result("t1", NOT_EXECUTED)],
    ),
    (
        "F34 one of two results is missing",
        [Q, assistant(call("t1"), call("t2")), user(result("t2", "2"), "z")],
        [
            UP_Q,
            up_calls(up_call("t1"), up_call("t2")),
            up_result("t2", "2"),
            up_result("t1", NOT_EXECUTED),
            up_user("z"),
        ],
    ),
    (
        "F35 a result of no call",
        [Q, assistant("a"), user(result("t9", "r"), "z")],
        [UP_Q, says("a"), up_user("[tool result t9]\nr\n\nz")],
    ),
    (
        "F35 a result of no call, without output",
        [user(result("t9"))],
        [up_user("[tool result t9]\n(no output)")],
    ),
    (
        "F35 a result of no call, with an image",
        [user(result("t9", "r", image()))],
        [up_user([text("[tool result t9]\nr"), up_image()])],
    ),
    (
        "C4.4 a second result of one call",
        [Q, assistant(call("t1")), user(result("t1", "1"), result("t1", "2"))],
        [UP_Q, one_call(), up_result("t1", "1"), up_user("[tool result t1]\n2")],
    ),
    (
        "C4.4 a result too late",
        [Q, assistant(call("t1")), user("z"), assistant("a"), user(result("t1", "r"))],
        [
            UP_Q,
            one_call(),
            up_result("t1", NOT_EXECUTED),
            up_user("z"),
            says("a"),
            up_user("[tool result t1]\nr"),
        ],
    ),
    ("F40 two user messages in a row", [user("a"), user("b")], [up_user("a\n\nb")]),
    (
        "C4.2 two assistant messages in a row",
        [Q, assistant("a"), assistant("b ", call("t1")), user(result("t1", "r"))],
        [UP_Q, one_call(content="a\n\nb "), up_result("t1", "r")],
    ),
    (
        "F39 an answer of redacted thinking vanishes, neighbours merge",
        [user("a"), assistant({"type": "redacted_thinking", "data": "x"}), user("b")],
        [up_user("a\n\nb")],
    ),
    (
        "C4.7 an answer of thinking vanishes, neighbours merge",
        [user("a"), assistant(thinking("hm")), user("b")],
        [up_user("a\n\nb")],
    ),
    ("C4.8 an empty user message is dropped", [Q, assistant("a"), user("")], [UP_Q, says("a")]),
    ("C4.10 the assistant may begin", [assistant("a"), user("b")], [says("a"), up_user("b")]),
    (
        "C3 blocks of an answer are joined",
        [Q, assistant("a", "b\n", "c", call("t1"), "d"), user(result("t1", "r"))],
        [UP_Q, one_call(content="a\n\nb\nc\n\nd"), up_result("t1", "r")],
    ),
    ("C3 several texts of a user are one", [user("a", "b\n", "c")], [up_user("a\n\nb\nc")]),
    (
        "C3 an array where an image is",
        [user("a", image(), "b")],
        [up_user([text("a"), up_image(), text("b")])],
    ),
]


@pytest.mark.parametrize(("messages", "sent"), [o[1:] for o in ORDERS], ids=[o[0] for o in ORDERS])
def test_conversation_is_put_in_order(messages: list[Json], sent: list[Json]) -> None:
    """The specification, C3 and C4; Claude Code observed doing most of these."""
    assert sent_messages(*messages) == sent


TWICE = up_calls(up_call("t"), up_call("t_2", "B"))
IDS: list[tuple[str, list[Json], list[Json]]] = [
    (
        "the same id in two turns",
        [
            assistant(call("t")),
            user(result("t", "1")),
            assistant(call("t")),
            user(result("t", "2")),
        ],
        [one_call("t"), up_result("t", "1"), one_call("t_2"), up_result("t_2", "2")],
    ),
    (
        "the same id twice in one turn, both answered",
        [assistant(call("t"), call("t", "B")), user(result("t", "1"), result("t", "2"))],
        [TWICE, up_result("t", "1"), up_result("t_2", "2")],
    ),
    (
        "the same id twice in one turn, one answered",
        [assistant(call("t"), call("t", "B")), user(result("t", "1"))],
        [TWICE, up_result("t", "1"), up_result("t_2", NOT_EXECUTED)],
    ),
    (
        "the id that a suffix would give is taken",
        [assistant(call("t"), call("t_2"), call("t")), user(result("t", "1"))],
        [
            up_calls(up_call("t"), up_call("t_2"), up_call("t_3")),
            up_result("t", "1"),
            up_result("t_2", NOT_EXECUTED),
            up_result("t_3", NOT_EXECUTED),
        ],
    ),
]


@pytest.mark.parametrize(("messages", "sent"), [i[1:] for i in IDS], ids=[i[0] for i in IDS])
def test_ids_of_calls_are_made_unique(messages: list[Json], sent: list[Json]) -> None:
    """The specification, C4.5: a suffix, on the call and on its result."""
    assert sent_messages(*messages) == sent


def test_empty_id_gets_one_of_its_own() -> None:
    """The specification, C4.5: `call_` and its place, on the call and on its result."""
    sent = sent_messages(Q, assistant(call(""), call("")), user(result("", "1"), result("", "2")))
    calls = [c["id"] for c in sent[1]["tool_calls"]]
    assert len(set(calls)) == 2
    assert all(identity.startswith("call_") for identity in calls)
    assert sent[2:] == [up_result(calls[0], "1"), up_result(calls[1], "2")]


STRICT: list[tuple[str, list[Json], str]] = [
    (
        "F36 calls without results",
        [Q, assistant(call("t1"), call("t2")), user("z")],
        "messages.1: `tool_use` ids were found without `tool_result` blocks "
        "immediately after: t1, t2",
    ),
    (
        "F36 a result without its call",
        [Q, assistant("a"), user("z", result("t9", "r"))],
        "messages.2.content.1: unexpected `tool_use_id` found in `tool_result` blocks: t9",
    ),
]


@pytest.mark.parametrize(
    ("messages", "message"), [s[1:] for s in STRICT], ids=[s[0] for s in STRICT]
)
def test_f36_strict_pairing_refuses_instead_of_repairing(
    messages: list[Json], message: str
) -> None:
    """F36: the vendor's wording, with the ids."""
    with pytest.raises(ApiError) as caught:
        sent_messages(*messages, options=TranslationOptions(strict_tool_pairing=True))
    assert (caught.value.status, caught.value.message) == (400, message)


def test_f36_strict_pairing_lets_a_sound_conversation_pass() -> None:
    """F36: only faults are refused."""
    messages = [Q, assistant(call("t1")), user(result("t1", "r"))]
    expected = [UP_Q, one_call(), up_result("t1", "r")]
    assert (
        sent_messages(*messages, options=TranslationOptions(strict_tool_pairing=True)) == expected
    )


EMPTY: list[tuple[str, list[Json]]] = [
    ("an empty text", [user("")]),
    ("no block", [user()]),
    ("only thinking", [assistant(thinking("hm"))]),
    ("only a system message", [system("s")]),
]


@pytest.mark.parametrize("messages", [e[1] for e in EMPTY], ids=[e[0] for e in EMPTY])
def test_conversation_without_a_word_is_refused(messages: list[Json]) -> None:
    """The specification, C4.8."""
    with pytest.raises(ApiError, match="messages: text content blocks must be non-empty"):
        sent_messages(*messages, system="S")


def test_inputs_are_not_changed() -> None:
    """Ours: a retry translates again."""
    messages = [Q, assistant("a", call("t1")), user(result("t1", image()), "b"), user("c")]
    before = str(messages)
    assert to_backend(messages=messages).body == to_backend(messages=messages).body
    assert str(messages) == before
