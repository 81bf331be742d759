"""Chat completions -> deltas: every quirk of every member is read by type."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.deltas import (
    BackendFault,
    Delta,
    Details,
    Done,
    Finish,
    Lost,
    Reasoning,
    Refusal,
    ReportedUsage,
    Text,
    ToolCall,
    Unread,
)
from bridge.translation.response.dialects.chat import (
    ChunkReader,
    read_reply,
)
from bridge.translation.response.dialects.chat_usage import read_usage
from tests.shapes import Json


def read(chunk: Any) -> list[Delta]:
    return ChunkReader().read_chunk(chunk)


def delta(**members: Any) -> Json:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": None}]}


def choice(**members: Any) -> Json:
    return {"choices": [{"index": 0, "delta": {}, **members}]}


def part(kind: str, value: Any) -> Json:
    return {"type": kind, kind: value}


DETAILS = [{"text": "a"}, {"summary": "b"}, {"data": "x"}, {"text": 5}, "junk"]
THOUGHT = part("thinking", [part("text", "a"), part("text", "b")])
CONTENTS: list[tuple[str, Json, list[Delta]]] = [
    ("text", delta(content="a"), [Text("a")]),
    ("empty text", delta(role="assistant", content=""), []),
    ("null", delta(content=None, tool_calls=None, function_call=None), []),
    ("a number", delta(content=5), []),
    ("F101 parts", delta(content=[part("text", "a"), part("text", "b")]), [Text("ab")]),
    (
        "F101 a thinking part",
        delta(content=[THOUGHT, part("text", "c")]),
        [Reasoning("ab"), Text("c")],
    ),
    ("F101 a thinking part of text", delta(content=[part("thinking", "a")]), [Reasoning("a")]),
    ("F101 parts of nothing", delta(content=[5, part("text", 5), part("x", "y")]), []),
    ("parts of no known kind", delta(content=[part("x", "y")]), [Unread()]),
    ("F65 reasoning_content", delta(reasoning_content="a"), [Reasoning("a")]),
    ("F65 reasoning", delta(reasoning="a", content="b"), [Reasoning("a"), Text("b")]),
    ("F66 both", delta(reasoning="a", reasoning_content="a"), [Reasoning("a")]),
    ("the first that is not empty", delta(reasoning_content="", reasoning="a"), [Reasoning("a")]),
    ("reasoning that is no text", delta(reasoning={"a": 1}), []),
    ("details", delta(reasoning_details=DETAILS), [Reasoning("ab"), Details([{"data": "x"}])]),
    ("sealed details", delta(reasoning_details=[{"data": "x"}]), [Details([{"data": "x"}])]),
    ("F84 a refusal", delta(refusal="no"), [Refusal("no")]),
    ("a refusal that is no text", delta(refusal=True), []),
    ("a message instead of a delta", {"choices": [{"message": {"content": "a"}}]}, [Text("a")]),
]


@pytest.mark.parametrize(
    ("chunk", "deltas"), [c[1:] for c in CONTENTS], ids=[c[0] for c in CONTENTS]
)
def test_content_is_read_wherever_it_stands(chunk: Json, deltas: list[Delta]) -> None:
    """The specification, B3, B6 and D1."""
    assert read(chunk) == deltas


def call(**members: Any) -> Json:
    return delta(tool_calls=[members])


WHOLE = {"name": "A", "arguments": "{}"}
TWIN = delta(tool_calls=[{"index": 0, "id": "c"}], function_call={"name": "A"})
NULLS = {"name": None, "arguments": None}
CALLS: list[tuple[str, Json, list[Delta]]] = [
    ("whole", call(index=1, id="c", function=WHOLE), [ToolCall(1, "c", "A", "{}")]),
    ("F70 no index", call(id="c", function={"name": "A"}), [ToolCall(None, "c", "A")]),
    ("an index as text", call(index="0", id="c"), [ToolCall(0, "c")]),
    ("an index that is none", call(index="first", id="c"), [ToolCall(None, "c")]),
    ("ids that are numbers", call(index=0, id=7), [ToolCall(0, "7")]),
    ("an index of true", call(index=True, id="c"), [ToolCall(None, "c")]),
    ("nulls", call(index=0, id=None, function=NULLS), [ToolCall(0)]),
    ("no function", call(index=0), [ToolCall(0)]),
    ("a function that is none", call(index=0, function="A"), [ToolCall(0)]),
    ("F74 an object", call(function={"arguments": {"a": 1}}), [ToolCall(arguments='{"a":1}')]),
    ("F74 a list", call(function={"arguments": [1]}), [ToolCall(arguments="[1]")]),
    ("junk in the list", delta(tool_calls=[5, None]), []),
    ("no list", delta(tool_calls={"a": 1}), []),
    ("a legacy call", delta(function_call=WHOLE), [ToolCall(0, "", "A", "{}")]),
    ("F73 a legacy twin", TWIN, [ToolCall(0, "c")]),
]


@pytest.mark.parametrize(("chunk", "deltas"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_fragment_of_a_call_is_read(chunk: Json, deltas: list[Delta]) -> None:
    """The specification, B3 and D4."""
    assert read(chunk) == deltas


def aborted(reason: str, status: int) -> BackendFault:
    return BackendFault(status, {"error": {"message": f"generation ended with '{reason}'"}})


FINISHES: list[tuple[str, Json, list[Delta]]] = [
    ("stop", choice(finish_reason="stop"), [Finish("stop")]),
    ("none", choice(finish_reason=None), []),
    ("empty", choice(finish_reason=""), []),
    ("the word null", choice(finish_reason="null"), []),
    ("no word", choice(finish_reason=5), []),
    ("F85 vLLM's match", choice(finish_reason="stop", stop_reason="END"), [Finish("stop", "END")]),
    ("F85 a token", choice(finish_reason="stop", stop_reason=151645), [Finish("stop")]),
    ("F85 SGLang's match", choice(finish_reason="stop", matched_stop="X"), [Finish("stop", "X")]),
    ("F104 abort", choice(finish_reason="abort"), [aborted("abort", 529)]),
    (
        "F104 DeepSeek",
        choice(finish_reason="insufficient_system_resource"),
        [aborted("insufficient_system_resource", 529)],
    ),
    ("error", choice(finish_reason="error"), [aborted("error", 0)]),
]


@pytest.mark.parametrize(
    ("chunk", "deltas"), [f[1:] for f in FINISHES], ids=[f[0] for f in FINISHES]
)
def test_finish_reason_is_read(chunk: Json, deltas: list[Delta]) -> None:
    """The specification, B4 and D5."""
    assert read(chunk) == deltas


IGNORED: list[Json] = [
    {},
    {"choices": None},
    {"choices": []},
    {"choices": {}},
    {"choices": [None]},
    {"choices": [{"index": 1, "delta": {"content": "other"}}]},
    {"choices": [{"delta": None}]},
    {"choices": [{"delta": "x"}]},
    {"usage": None},
    {"usage": "x"},
    {"error": None, "choices": []},
]


@pytest.mark.parametrize("chunk", IGNORED, ids=[json.dumps(c) for c in IGNORED])
def test_f90_chunk_without_anything_is_ignored(chunk: Json) -> None:
    """F90: backends observed."""
    assert read(chunk) == []


BROKEN = {"message": "boom", "code": 500}
FLAT = {"object": "error", "message": "boom", "code": 429}
FAULTS: list[tuple[str, Json, BackendFault]] = [
    ("F95 top-level", {"error": BROKEN}, BackendFault(500, {"error": BROKEN})),
    ("as a string", {"error": "boom"}, BackendFault(0, {"error": "boom"})),
    ("in a list", {"errors": [BROKEN]}, BackendFault(500, {"errors": [BROKEN]})),
    ("a fault", {"fault": BROKEN}, BackendFault(500, {"fault": BROKEN})),
    ("in the choice", choice(error=BROKEN), BackendFault(500, {"error": BROKEN})),
    ("flat", FLAT, BackendFault(429, FLAT)),
    ("FastAPI's", {"detail": "boom"}, BackendFault(0, {"detail": "boom"})),
]


@pytest.mark.parametrize(("chunk", "fault"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS])
def test_error_is_found_at_any_place(chunk: Json, fault: BackendFault) -> None:
    """The specification, D1 and D7: any nesting of B8."""
    assert read(chunk) == [fault]


def _counts(prompt: int, completion: int, total: int | None, reasoning: int) -> Json:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


BESIDE = {"prompt_tokens": 10, "completion_tokens": 3, "total_tokens": 113}
NEWER = {"input_tokens": 10, "output_tokens": 3}
COUNTS: list[tuple[str, Json, Json, ReportedUsage]] = [
    ("newer names", NEWER, {}, ReportedUsage(10, 3)),
    (
        "newer names, a cache within the prompt",
        NEWER | {"input_tokens_details": {"cached_tokens": 4}},
        {},
        ReportedUsage(10, 3, cached=4),
    ),
    (
        "newer names, a cache beside the prompt",
        NEWER | {"cache_read_input_tokens": 90, "cache_creation_input_tokens": 20},
        {},
        ReportedUsage(120, 3, cached=90, written=20),
    ),
    (
        "a cache beside the prompt, as the total shows",
        BESIDE | {"cache_read_input_tokens": 100},
        {},
        ReportedUsage(110, 3, cached=100),
    ),
    ("only a total", {"prompt_tokens": 9, "total_tokens": 12}, {}, ReportedUsage(9, 3)),
    ("reference", {"prompt_tokens": 9, "completion_tokens": 2}, {}, ReportedUsage(9, 2)),
    ("null", {"prompt_tokens": 9, "completion_tokens": None}, {}, ReportedUsage(9)),
    ("negative", {"prompt_tokens": -9, "completion_tokens": 2}, {}, ReportedUsage(None, 2)),
    ("a float", {"prompt_tokens": 9.7, "completion_tokens": 2.0}, {}, ReportedUsage(9, 2)),
    ("text", {"prompt_tokens": " 9 ", "completion_tokens": "two"}, {}, ReportedUsage(9)),
    ("true", {"prompt_tokens": True}, {}, ReportedUsage()),
    ("too large", {"prompt_tokens": 10**30}, {}, ReportedUsage()),
    ("F87 cached", {"prompt_tokens_details": {"cached_tokens": 8}}, {}, ReportedUsage(cached=8)),
    ("F87 DeepSeek", {"prompt_cache_hit_tokens": 8}, {}, ReportedUsage(cached=8)),
    ("F87 Moonshot", {"cached_tokens": 8}, {}, ReportedUsage(cached=8)),
    ("F87 llama.cpp", {"prompt_tokens_details": None}, {"cache_n": 8}, ReportedUsage(cached=8)),
    ("written", {"prompt_tokens_details": {"cache_write_tokens": 3}}, {}, ReportedUsage(written=3)),
    (
        "written, vLLM",
        {"prompt_tokens_details": {"created_cache_tokens": 3}},
        {},
        ReportedUsage(written=3),
    ),
    (
        "reasoning",
        {"completion_tokens_details": {"reasoning_tokens": 4}},
        {},
        ReportedUsage(reasoning=4),
    ),
    ("reasoning, SGLang", {"reasoning_tokens": 4}, {}, ReportedUsage(reasoning=4)),
    (
        "reasoning beside the completion, as the total shows",
        _counts(100, 10, 150, 40),
        {},
        ReportedUsage(100, 50, reasoning=40),
    ),
    (
        "reasoning within the completion",
        _counts(100, 50, 150, 40),
        {},
        ReportedUsage(100, 50, reasoning=40),
    ),
    ("reasoning, and no total", _counts(100, 10, None, 40), {}, ReportedUsage(100, 10, 0, 0, 40)),
    ("cost", {"cost": 0.5}, {}, ReportedUsage(cost_nano=500_000_000)),
    ("cost as text", {"cost": "0.000000001"}, {}, ReportedUsage(cost_nano=1)),
    ("no cost", {"cost": 0}, {}, ReportedUsage(cost_nano=0)),
    *(
        (f"cost that is junk: {junk!r}"[:60], {"cost": junk}, {}, ReportedUsage())
        for junk in (-1, True, None, "free", "nan", "inf", 1e30, "1" * 5000, 10**400, [1])
    ),
]


@pytest.mark.parametrize(
    ("usage", "timings", "counts"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS]
)
def test_counts_are_found_at_any_place(usage: Json, timings: Json, counts: ReportedUsage) -> None:
    """The specification, B5 and D6: junk is not a count."""
    assert list(read_usage(usage, timings)) == [counts]


def test_usage_in_a_chunk_of_its_own_is_the_last() -> None:
    """The specification, D2: nothing else is to be waited for behind it."""
    report = {"prompt_tokens": 9, "completion_tokens": 2}
    assert read({"choices": [], "usage": report}) == [ReportedUsage(9, 2, final=True)]
    assert read(delta(content="a") | {"usage": report}) == [Text("a"), ReportedUsage(9, 2)]


# --- payloads ---------------------------------------------------------------------------------


def payload(chunk: Any) -> bytes:
    return json.dumps(chunk).encode()


def test_unreadable_payloads_are_skipped_until_there_are_three_in_a_row() -> None:
    """F91, B9."""
    reader = ChunkReader()
    fed = [b"oops", b"", b"more", payload(delta(content="a")), b"x", b"y"]
    assert [reader.feed(one) for one in fed] == [
        [Lost()],
        [],
        [Lost()],
        [Text("a")],
        [Lost()],
        [Lost()],
    ]
    assert reader.skipped == 4
    with pytest.raises(ApiError, match="Backend sent an unreadable stream") as caught:
        reader.feed(b"z")
    assert caught.value.status == 502


WORDS = b"ERROR: upstream timeout"
READABLE: list[tuple[str, bytes, list[Delta]]] = [
    ("no number", b'{"choices": [{"delta": {"content": "a"}, "x": NaN}]}', [Text("a")]),
    (
        "two documents",
        b'{"choices": [{"delta": {"content": "a"}}]}{"choices": [{"delta": {"content": "b"}}]}',
        [Text("a"), Text("b")],
    ),
    ("an error in words", WORDS, [BackendFault(0, {"error": WORDS.decode()})]),
    ("a text of another kind", b'{"choices": [{"text": "a"}]}', [Unread()]),
    ("two documents, one cut", b'{"choices": []}{"cho', [Lost()]),
    ("several lines", b'{"choices": []}\n{"choices": []}', [Lost()]),
]


@pytest.mark.parametrize(("raw", "deltas"), [r[1:] for r in READABLE], ids=[r[0] for r in READABLE])
def test_payload_that_is_not_quite_json_is_read(raw: bytes, deltas: list[Delta]) -> None:
    """B9, C13: what can be read is not lost, and no failure passes for noise."""
    assert ChunkReader().feed(raw) == deltas


@pytest.mark.parametrize("mark", [b"[DONE]", b"[DONE]  ", b" [DONE]\r"])
def test_end_mark_may_have_blanks(mark: bytes) -> None:
    """B9."""
    assert ChunkReader().feed(mark) == [Done()]


def test_payload_that_is_no_object_is_nothing() -> None:
    """B9: it is JSON, so it does not count as unreadable."""
    reader = ChunkReader()
    assert [reader.feed(b"5"), reader.feed(b"[]"), reader.feed(b'"x"')] == [[], [], []]
    assert reader.skipped == 0


# --- plain replies ----------------------------------------------------------------------------


def test_plain_reply_is_read_like_a_chunk() -> None:
    """The specification, D1."""
    message = {"content": "a", "tool_calls": [{"id": "c", "function": {"name": "A"}}]}
    reply = {
        "choices": [{"message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 1},
    }
    assert list(read_reply(b"\n\n " + payload(reply))) == [
        Text("a"),
        ToolCall(None, "c", "A"),
        Finish("stop"),
        ReportedUsage(1),
        Done(),
    ]


def test_plain_reply_without_a_reason_is_over_all_the_same() -> None:
    """Ours: a document is never cut without being broken."""
    reply = {"choices": [{"message": {"content": "a"}}]}
    assert list(read_reply(payload(reply))) == [Text("a"), Finish("stop"), Done()]


def test_choice_without_a_message_is_none_that_can_be_read() -> None:
    """B2: an answer of nothing is no good answer."""
    for empty in ({}, {"message": None, "finish_reason": "stop"}, {"text": "a"}):
        assert Unread() in list(read_reply(payload({"choices": [empty]})))


REPLIES: list[tuple[str, bytes, str]] = [
    ("F110 HTML", b"<html>", "Backend returned an unreadable reply"),
    ("nothing", b"", "Backend returned an unreadable reply"),
    ("F110 a list", b"[]", "Backend returned an unreadable reply"),
    ("F110 no choices", b'{"choices": []}', "Backend returned no choices"),
    ("choices missing", b"{}", "Backend returned no choices"),
]


@pytest.mark.parametrize(("raw", "message"), [r[1:] for r in REPLIES], ids=[r[0] for r in REPLIES])
def test_reply_that_is_none_is_a_bad_gateway(raw: bytes, message: str) -> None:
    """F110."""
    with pytest.raises(ApiError) as caught:
        list(read_reply(raw))
    assert (caught.value.status, caught.value.message) == (502, message)
