"""The reader of usual chunks changes nothing: what a client gets is what the tolerant reader of
all chunks alone would give it, to the byte, and so is what the gateway learns on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response import sse
from bridge.translation.response.dialects import chat, usual_chunk
from bridge.translation.response.events import frames
from bridge.translation.response.translate import Answer
from tests.properties.listening import ASKED, SSE
from tests.properties.noise import NOISE
from tests.properties.values import CUTS, JUNK, SOME_TEXT, pieces
from tests.shapes import Json
from tests.translation.playbook import make_terms
from tests.translation.transcripts import Transcript, load

RECORDED = list(load("traces"))
BORDER = b"--- piece\n"
CHUNK = "chat.completion.chunk"
Shown = tuple[bytes, Json | None, str, Any, list[str]]

WRITTEN = '<tool_call>{"name": "Bash", "arguments": {}}</tool_call>'
MARKS = ["<think>", "</think>", "```", "`", "~~~", "<tool_call>", "<tool", "  ", "    ", WRITTEN]
WORDS = st.one_of(SOME_TEXT, st.sampled_from(["word", " more", "\n", "so.\n", *MARKS]))
ARGUMENTS = st.one_of(SOME_TEXT, st.sampled_from(['{"a": "', "x", '"}', "{}", "1, 2"]))
FUNCTIONS = st.fixed_dictionaries(
    {"arguments": ARGUMENTS}, optional={"name": st.sampled_from(["Bash", "", None])}
)
CALLS = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 1, None]), "function": FUNCTIONS},
    optional={"id": st.sampled_from(["call_1", "call_2", "", None]), "type": st.just("function")},
)
DELTAS = st.one_of(
    st.builds(lambda text: {"content": text}, WORDS),
    st.builds(lambda text: {"reasoning_content": text, "content": None}, WORDS),
    st.builds(lambda text: {"reasoning": text}, WORDS),
    st.builds(lambda call: {"tool_calls": [call]}, CALLS),
)
ODD_VALUES = st.one_of(JUNK, WORDS, st.sampled_from([0, 0.0, False, True, "", "stop", "error"]))
ODD_MEMBERS: dict[str, list[str]] = {
    "chunk": [
        *usual_chunk.UsualChunk.__struct_fields__,
        "type",
        "status",
        "x_groq",
        "timings",
        "message",
    ],
    "choice": [*usual_chunk.UsualChoice.__struct_fields__, "message", "error", "usage"],
    "delta": [
        *usual_chunk.UsualDelta.__struct_fields__,
        "reasoning_details",
        "thinking",
        "reasoning_text",
    ],
    "call": [*usual_chunk.UsualCall.__struct_fields__, "extra_content", "thought_signature"],
    "function": [*usual_chunk.UsualFunction.__struct_fields__, "output"],
}


def built(delta: Json) -> tuple[Json, dict[str, Json]]:
    """A usual chunk with this delta, and the objects of which it consists."""
    choice: Json = {"index": 0, "delta": delta, "finish_reason": None}
    chunk: Json = {"id": "x", "object": CHUNK, "created": 1, "model": "m", "choices": [choice]}
    call: Json = delta.get("tool_calls", [{}])[0]
    function: Json = call.get("function", {})
    places = {"chunk": chunk, "choice": choice, "delta": delta, "call": call}
    return chunk, places | {"function": function}


@st.composite
def chunks(draw: st.DrawFn) -> Json:
    """A usual chunk, or one that differs from it in one member or two."""
    chunk, places = built(draw(DELTAS))
    choice = places["choice"]
    for place in draw(st.lists(st.sampled_from(list(places)), max_size=2)):
        places[place][draw(st.sampled_from(ODD_MEMBERS[place]))] = draw(ODD_VALUES)
    if draw(st.integers(0, 9)) == 0:
        chunk["choices"] = draw(st.sampled_from([[choice, choice], [], [None, choice]]))
    return chunk


CHUNKS = chunks()


def event(chunk: Json, form: int) -> bytes:
    """One event of a stream; `form` chooses its framing and how characters are written."""
    text = json.dumps(chunk, ensure_ascii=bool(form & 1))
    raw = text.encode("utf-8", "surrogatepass")
    end = b"\r\n\r\n" if form & 6 == 2 else b"\n\n"
    return (b"data:" if form & 6 == 4 else b"data: ") + raw + end


EVENTS = st.one_of(
    st.builds(event, CHUNKS, st.integers(0, 15)),
    st.builds(event, CHUNKS, st.integers(0, 15)),
    st.builds(event, CHUNKS, st.integers(0, 15)),
    NOISE,
)
BODIES = st.builds(
    lambda events, end: b"".join([*events, end]),
    st.lists(EVENTS, max_size=12),
    st.sampled_from([b"data: [DONE]\n\n", event({"choices": [{"finish_reason": "stop"}]}, 0), b""]),
)
TERMS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "gateway_stops": st.sampled_from([("END",), ("word",), ("x", "more")]),
        "inline_thinking": st.sampled_from(["tags", "open", "guess"]),
        "prefill": st.sampled_from(["word", "Hello"]),
        "written_calls": st.just({"Bash": {"type": "object"}}),
        "omit_thinking": st.booleans(),
        "one_call": st.booleans(),
    },
)


def shown(body: list[bytes], terms: Json, *, writes: bool = False) -> Shown:
    """What every piece of the body brings, the error if it is one, and what is learnt."""
    answer = Answer(make_terms(**terms), ASKED, SSE)
    answer.writes = writes
    written, error = b"", None
    try:
        for piece in body:
            more = answer.more(piece)
            written += frames(answer.feed(piece) if more is None else [more]) + BORDER
        written += frames(answer.finish())
    except ApiError as raised:
        error = raised.envelope("req_1") | {"status": raised.status}
    seen = answer.reported, answer.usage
    return written, error, answer.reasoning_field, seen, answer.repaired


@contextmanager
def tolerant_reader_only() -> Iterator[None]:
    nothing: Any = mock.patch.object(sse, "_whole_events", lambda data: [])
    with mock.patch.object(chat, "MAX_UNUSUAL", 0), nothing:
        yield


@given(body=BODIES, cuts=CUTS, terms=TERMS)
def test_both_readers_give_the_same_bytes(body: bytes, cuts: list[int], terms: Json) -> None:
    """Ours: any mixture of chunks, cut anywhere, and one event at a time as servers send them."""
    at_their_ends = [piece + b"\n\n" for piece in body.split(b"\n\n") if piece]
    for cut in ([body], pieces(body, cuts), at_their_ends):
        quickly = shown(cut, terms), shown(cut, terms, writes=True)
        with tolerant_reader_only():
            assert quickly == (shown(cut, terms),) * 2


ODD: list[Any] = [
    *(None, 0, 1, -1, 0.0, 1.5, 10**30, False, True, "", "a", "stop", "error", "\0", "\ud83d"),
    *([], ["a"], [{"text": "a"}], {}, {"a": 1}, {"text": "a"}, {"message": "a", "code": 5}),
]
EACH_KIND: list[Json] = [
    {"content": "a"},
    {"reasoning_content": "a"},
    {"reasoning": "a"},
    {"tool_calls": [{"index": 0, "function": {"arguments": "a"}}]},
]


def with_one_odd_member() -> Iterator[Json]:
    """Each kind of usual chunk with each member, known or not, and each odd value in it."""
    for delta in EACH_KIND:
        for place, members in ODD_MEMBERS.items():
            for member in members:
                for value in ODD:
                    chunk, places = built(json.loads(json.dumps(delta)))
                    places[place][member] = value
                    yield chunk


def test_usual_chunk_is_read_as_the_tolerant_reader_reads_it() -> None:
    """Ours: one member more, or another value, and it is left to the tolerant reader, or means
    the same to both."""
    reader, usual = chat.ChunkReader(), 0
    reader.feed(b'{"choices":[{"delta":{"content":"before"}}]}')
    for chunk in with_one_odd_member():
        raw = json.dumps(chunk).encode()
        delta = usual_chunk.read_usual(raw)
        if delta is not None:
            usual += 1
            with tolerant_reader_only():
                assert reader.feed(raw) == [delta], raw
    assert usual > 500


@pytest.mark.parametrize("transcript", RECORDED, ids=lambda t: t.name)
def test_recorded_answers_are_the_same_with_either_reader(transcript: Transcript) -> None:
    """Backends observed."""
    for size in (len(transcript.raw) or 1, 100, 1):
        body = [transcript.raw[at : at + size] for at in range(0, len(transcript.raw), size)]
        quickly = shown(body, {}), shown(body, {}, writes=True)
        with tolerant_reader_only():
            assert quickly == (shown(body, {}),) * 2


@pytest.mark.parametrize(
    "delta",
    [
        {"content": "a"},
        {"reasoning_content": "a", "content": None},
        {"reasoning": "a"},
        {"role": "assistant", "content": "a", "refusal": None},
        {"tool_calls": [{"index": 0, "function": {"arguments": "a"}}]},
    ],
)
def test_chunks_that_servers_mostly_send_are_usual(delta: Json) -> None:
    """llama.cpp, vLLM, SGLang and OpenAI's own service, as recorded."""
    beside: list[Json] = [
        {"created": 1, "id": "x", "model": "m", "system_fingerprint": "b", "object": CHUNK},
        {"id": "x", "object": CHUNK, "created": 1, "model": "m", "usage": None},
    ]
    within: list[Json] = [{}, {"logprobs": None, "token_ids": None}, {"matched_stop": None}]
    for chunk in beside:
        for choice in within:
            choice = {"index": 0, "delta": delta, "finish_reason": None, **choice}
            assert usual_chunk.read_usual(json.dumps(chunk | {"choices": [choice]}).encode())
