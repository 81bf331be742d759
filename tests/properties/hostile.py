"""Answers that no specification allows: every member of every chunk may be anything."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.properties.values import JUNK, TEXT, written
from tests.shapes import Json

TOOLS: Json = {
    "Bash": {"type": "object", "properties": {"command": {"type": "string"}}},
    "get_weather": {"type": "object", "properties": {"city": {}, "days": {"type": "integer"}}},
}
NAMES = st.sampled_from(["Bash", "bash", "get_weather", "Ba", "sh", "", "x y", "é", "n" * 200])
IDS = st.sampled_from(["call_1", "call_2", "toolu_9", "functions.Bash:0", "", "é", "i" * 70])
ARGUMENTS = st.one_of(
    st.sampled_from(
        [
            *(
                "",
                "{}",
                "{",
                "}",
                '{"a":',
                "1}",
                '{"command": "ls"}',
                "null",
                "None",
                "[1,2]",
                '"x"',
            ),
            *(
                "{'a': True,}",
                '{"a":"x\ny"}',
                '{}{"a":1}',
                '{"a":"\\ud83d',
                "\\",
                "```json\n{",
                "\ud83d",
            ),
            *('"', ",", " ", "\n", "tru", "-", "1e999", '{"a":NaN}', "nonsense"),
        ]
    ),
    TEXT,
)
REASONS = st.sampled_from(
    [
        *("stop", "length", "tool_calls", "content_filter", "function_call", "eos", "max_tokens"),
        *("abort", "error", "insufficient_system_resource", "", "null", "None", "no such reason"),
    ]
)


def _or_junk(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Mostly the usual, at times anything at all."""
    return st.one_of(usual, usual, usual, JUNK)


def _members(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """An object in which each member may be missing."""
    return st.fixed_dictionaries({}, optional={k: _or_junk(v) for k, v in members.items()})


PARTS = st.lists(
    _or_junk(
        st.one_of(
            _members(type=st.just("text"), text=TEXT),
            _members(
                type=st.just("thinking"),
                thinking=st.one_of(TEXT, st.lists(_members(type=st.just("text"), text=TEXT))),
            ),
        )
    ),
    max_size=2,
)
CALLS = st.lists(
    _members(
        index=st.integers(0, 2),
        id=IDS,
        type=st.just("function"),
        function=_members(name=NAMES, arguments=ARGUMENTS),
    ),
    max_size=3,
)
DELTAS = _members(
    role=st.just("assistant"),
    content=st.one_of(TEXT, PARTS),
    reasoning_content=TEXT,
    reasoning=TEXT,
    reasoning_details=st.lists(_members(text=TEXT, summary=TEXT), max_size=2),
    refusal=TEXT,
    tool_calls=CALLS,
    function_call=_members(name=NAMES, arguments=ARGUMENTS),
)
ERRORS = _or_junk(
    st.one_of(TEXT, _members(message=TEXT, code=st.integers(0, 999), type=TEXT, metadata=JUNK))
)
CHOICES = st.lists(
    st.one_of(
        _members(delta=DELTAS, finish_reason=st.none(), index=st.just(0)),
        _members(delta=DELTAS, message=DELTAS, finish_reason=REASONS, index=st.integers(0, 1)),
        _members(finish_reason=REASONS, stop_reason=TEXT, matched_stop=TEXT, error=ERRORS),
    ),
    max_size=2,
)
COUNTS = st.one_of(st.integers(-1, 10**7), st.sampled_from(["12", " 7 ", "x", 1.5, 1e300, True]))
USAGE = _members(
    prompt_tokens=COUNTS,
    completion_tokens=COUNTS,
    prompt_cache_hit_tokens=COUNTS,
    reasoning_tokens=COUNTS,
    prompt_tokens_details=_members(cached_tokens=COUNTS, cache_write_tokens=COUNTS),
    completion_tokens_details=_members(reasoning_tokens=COUNTS),
)
CHUNKS = st.one_of(
    _members(choices=CHOICES),
    _members(choices=CHOICES),
    _members(choices=CHOICES, usage=USAGE, timings=_members(cache_n=COUNTS), model=TEXT),
    _members(choices=st.just([]), usage=USAGE, error=ERRORS, object=st.just("error"), detail=JUNK),
    JUNK,
)
CHUNK_EVENTS = st.builds(
    lambda chunk, raw: b"data: " + written(chunk, raw).encode() + b"\n\n", CHUNKS, st.booleans()
)
OTHER_EVENTS = st.sampled_from(
    [
        *(b"data: [DONE]\n\n", b"data:[DONE]\r\n\r\n", b": comment\n\n", b"\n", b"\r", b"\r\n\r\n"),
        *(b"data: {\n\n", b"data: <html>\n\n", b"data: \xff\xfe\n\n", b"data:\n\n", b"data\n\n"),
        *(b'data: {"choices":\ndata: []}\n\n', b"event: error\n", b"id: 1\n", b"retry: x\n"),
        *(b"\xef\xbb\xbf", b"data: {}\n\n", b"{", b"data: NaN\n\n", b'data: "\\ud83d"\n\n', b"\0"),
    ]
)


def _one_call(pieces: list[str], reason: str | None) -> bytes:
    """A call whose arguments come in these pieces."""
    chunks: list[Json] = [
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}}]}
        for piece in pieces
    ]
    named = {"index": 0, "id": "call_1", "function": {"name": "Bash"}}
    chunks.insert(0, {"choices": [{"delta": {"tool_calls": [named]}}]})
    chunks.append({"choices": [{"delta": {}, "finish_reason": reason}]})
    return b"".join(b"data: " + written(chunk, raw=False).encode() + b"\n\n" for chunk in chunks)


BODIES = st.one_of(
    st.lists(st.one_of(CHUNK_EVENTS, CHUNK_EVENTS, OTHER_EVENTS), max_size=6).map(b"".join),
    st.builds(
        _one_call,
        st.builds(
            lambda begin, rest: [begin, *rest],
            st.sampled_from(['{"a":', '{"a": "x', '{"a": [1', "{'a': ", ' {"a":{', "{", "["]),
            st.lists(ARGUMENTS, max_size=4),
        ),
        st.sampled_from([None, "stop", "length", "tool_calls"]),
    ),
)
REPLIES = st.builds(
    lambda lead, reply, raw: lead + written(reply, raw).encode(),
    st.sampled_from([b"", b"\n\n  ", b"\xef\xbb\xbf"]),
    CHUNKS,
    st.booleans(),
)
CONTENT_TYPES = st.sampled_from(
    ["text/event-stream", "text/event-stream; charset=utf-8", "application/json", "", "text/html"]
)
TERMS = st.fixed_dictionaries(
    {},
    optional={
        "one_call": st.booleans(),
        "omit_thinking": st.booleans(),
        "context_management": st.booleans(),
        "context": st.integers(0, 3000),
        "max_tokens": st.integers(0, 3000),
        "input_estimate": st.integers(1, 3000),
        "prefill": TEXT.map(lambda text: text.encode("utf-8", "ignore").decode()),
        "inline_thinking": st.sampled_from(["", "tags", "open"]),
        "written_calls": st.sampled_from([{}, TOOLS]),
        "gateway_stops": st.sampled_from([(), ("END",), ("\n", "a"), ("</s>", "<think>")]),
        "stop_sequences": st.sampled_from([(), ("END", "x"), ("a",)]),
        "used_ids": st.sampled_from([frozenset(), frozenset({"call_1", "toolu_9"})]),
    },
)
