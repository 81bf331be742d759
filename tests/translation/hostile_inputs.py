"""Inputs that made readers slow once, or would make careless ones slow: text of models, bytes of
backends, requests of clients. Each is built in any size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bridge.routing.resolve import suggestions
from bridge.translation.errors.from_backend import ErrorContext, from_reply
from bridge.translation.errors.redaction import redact, redact_text
from bridge.translation.json import encode, encode_text
from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.schema import RequestLimits, read_request
from bridge.translation.request.translate import TranslationOptions, to_chat
from bridge.translation.response.declared_arguments import DeclaredArguments
from bridge.translation.response.deltas import ContentDelta, Text
from bridge.translation.response.dialects.prefill_echo import PrefillEcho
from bridge.translation.response.dialects.think_tags import ThinkTags
from bridge.translation.response.fold import fold
from bridge.translation.response.sse import SseReader
from bridge.translation.response.stop_sequences import StopMatcher
from bridge.translation.response.text_calls.stage import TextCalls
from bridge.translation.response.tool_arguments import ArgumentStream
from bridge.translation.response.translate import Answer
from tests.shapes import Json
from tests.translation.playbook import make_terms

SCHEMAS: Json = {
    "f": {"properties": {"a": {"type": "string"}}},
    "now": {"type": "object"},
}


@dataclass(frozen=True)
class Case:
    """`make` builds the input of a size, `read` is the work on it."""

    name: str
    make: Callable[[int], Any]
    read: Callable[[Any], object]
    size: int


# --- text of models ---------------------------------------------------------------------------


def _stage(text: str, step: int) -> None:
    stage = TextCalls(SCHEMAS)
    for at in range(0, len(text), step):
        stage.feed(Text(text[at : at + step]))
    stage.finish()


def whole(text: str) -> None:
    _stage(text, len(text) or 1)


def in_characters(text: str) -> None:
    _stage(text, 1)


OPEN = '<tool_call>{"name": "now", "arguments": {"a": "'
TEXTS: list[tuple[str, Callable[[int], str], int]] = [
    (
        "Kimi, blanks between the marks",
        lambda n: (
            "<|tool_calls_section_begin|><|tool_call_begin|>"
            + " " * n
            + "<|tool_call_argument_begin|>"
            + " " * n
            + "<|tool_calls_section_end|>"
        ),
        40_000,
    ),
    (
        "GLM, arguments and no end",
        lambda n: (
            "<tool_call>f" + n * "<arg_key>a</arg_key><arg_value>b</arg_value>" + "!</tool_call>"
        ),
        1_500,
    ),
    (
        "GLM, cut in a value",
        lambda n: (
            "<tool_call>f"
            + n * "<arg_key>a</arg_key><arg_value>b</arg_value>"
            + "<arg_key>a</arg_key><arg_value>b"
        ),
        1_500,
    ),
    ("Qwen Coder, parameters", lambda n: "<function=f>" + n * "<parameter=a>\n", 6_000),
    ("closing marks", lambda n: OPEN + "</tool_call>" * n, 6_000),
    ("a list of blanks", lambda n: "[" + " " * n, 60_000),
    (
        "DeepSeek, blanks",
        lambda n: (
            "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>"
            + " " * n
            + "f"
            + " " * n
            + "```"
        ),
        40_000,
    ),
    ("attributes", lambda n: "[now(a=1)," + "a." * n + "a(x=1)]", 4_000),
    ("brackets", lambda n: "[now(a=" + "[" * n, 30_000),
    ("signs", lambda n: "[now(a=" + "-" * n + "1)]", 7_000),
    ("a long list", lambda n: "[" + "now()," * n + "now()]", 1_200),
    ("marks on lines", lambda n: "<tool_call>\n" * n, 3_000),
    ("open calls on lines", lambda n: f"{OPEN}\n" * n, 1_500),
    (
        "calls with prose behind them",
        lambda n: '<tool_call>{"name": "now"}</tool_call>\nso\n' * n,
        800,
    ),
    ("calls", lambda n: '<tool_call>{"name": "now"}</tool_call>\n' * n, 800),
    ("half marks on lines", lambda n: "<tool_c\n" * n, 4_000),
    ("blanks on lines", lambda n: "   \n" * n, 8_000),
    ("lines", lambda n: "\n" * n, 20_000),
    ("backquotes", lambda n: "`" * n, 100_000),
    ("runs of backquotes", lambda n: "".join("`" * (i % 9 + 1) + "a" for i in range(n)), 8_000),
    ("fences", lambda n: "```\na\n" * n, 5_000),
    ("values that go on", lambda n: "<function=f><parameter=a>" + "</parameter> " * n, 4_000),
    ("invokes", lambda n: '<invoke name="f">\n' * n, 3_000),
    ("DSML, parameters", lambda n: '<｜DSML｜invoke name="f"><｜DSML｜parameter name="' * n, 2_000),
    (
        "Gemma, strings",
        lambda n: "<|tool_call>call:f{" + 'a:<|"|>b<|"|>,' * n + "}<tool_call|>",
        2_000,
    ),
    ("Gemma, braces", lambda n: "<|tool_call>call:f{" + "{ " * n + "<tool_call|>", 20_000),
    ("Mistral, calls", lambda n: "[TOOL_CALLS]now[ARGS]{}" * n, 1_500),
    ("Llama, objects", lambda n: "<|python_tag|>" + '{"name": "now"};' * n, 1_200),
    ("JSON in JSON", lambda n: '{"name": "now", "arguments": ' + '{"a":' * n, 6_000),
    ("an object of blanks", lambda n: '{"name": "now", "arguments": {' + " " * n, 60_000),
    ("an object that begins late", lambda n: "{" + " " * n, 60_000),
    ("an answer in JSON", lambda n: '{"city": "' + "x" * n, 60_000),
    ("harmony, no message", lambda n: "<|channel|>commentary to=f" + " " * n, 60_000),
]


# --- stages and arguments ---------------------------------------------------------------------


def _letters(stage: Any, text: str) -> None:
    for letter in text:
        stage.feed(Text(letter))
    held: list[ContentDelta] = stage.finish()
    assert isinstance(held, list)


def _stops(text: str) -> None:
    sequences = tuple("a" * length + "b" for length in range(1, 60))
    matcher = StopMatcher((*sequences, "a" * 1000 + "c"))
    for at in range(0, len(text), 3):
        matcher.feed(text[at : at + 3])
    matcher.finish()


def _arguments(text: str) -> None:
    stream = ArgumentStream()
    for at in range(0, len(text), 5):
        stream.feed(text[at : at + 5])
    stream.finish()


def _deep(n: int) -> str:
    return '{"a":' + "[" * n


STAGES: list[Case] = [
    Case("stop sequences", lambda n: "a" * n, _stops, 10_000),
    Case(
        "thinking of blanks",
        lambda n: "<think>" + "\n" * n,
        lambda t: _letters(ThinkTags(False), t),
        20_000,
    ),
    Case(
        "blanks in front of a tag",
        lambda n: " " * n + "<",
        lambda t: _letters(ThinkTags(True), t),
        20_000,
    ),
    Case(
        "half tags",
        lambda n: "<think>" + "</thin" * n,
        lambda t: _letters(ThinkTags(False), t),
        4_000,
    ),
    Case("a long prefill", lambda n: "x" * n, lambda t: _letters(PrefillEcho(t), t), 20_000),
    Case("arguments: blanks behind a quote", lambda n: "{'a':'x'" + " " * n, _arguments, 60_000),
    Case("arguments: an endless number", lambda n: '{"a":' + "1" * n, _arguments, 60_000),
    Case("arguments: brackets", _deep, _arguments, 30_000),
    Case("arguments: escapes", lambda n: '{"a":"' + "\\ud83d" * n, _arguments, 6_000),
    Case("arguments: apostrophes", lambda n: "{'a':'" + "' " * n, _arguments, 15_000),
    Case("arguments: no object", lambda n: "[" + "1," * n, _arguments, 30_000),
]


# --- bytes of backends ------------------------------------------------------------------------


def _chunk(delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + encode({"choices": [choice]}) + b"\n\n"


def _answer(body: bytes, content_type: str = "text/event-stream") -> None:
    answer = Answer(make_terms(written_calls=SCHEMAS), ErrorContext(), content_type)
    events = []
    for at in range(0, len(body), 50):
        events += answer.feed(body[at : at + 50])
    fold([*events, *answer.finish()])


def _end(body: bytes) -> bytes:
    return body + _chunk({}, "stop") + b"data: [DONE]\n\n"


def _fragments(n: int) -> bytes:
    """Two calls in turns, the second of which waits."""
    first = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"a":"'}}]
    second = [{"index": 1, "id": "b", "function": {"name": "f", "arguments": '{"a":"'}}]
    more = [{"index": 1, "function": {"arguments": "x"}}]
    return (
        _chunk({"tool_calls": first})
        + _chunk({"tool_calls": second})
        + (_chunk({"tool_calls": more}) * n)
    )


def _many_calls(n: int, **members: object) -> bytes:
    function = {"name": "f", "arguments": "{}"}
    return b"".join(
        _chunk({"tool_calls": [{"id": f"c{i}", "function": function, **members}]}) for i in range(n)
    )


def _in_pieces(body: bytes) -> None:
    reader = SseReader()
    for at in range(0, len(body), 10):
        reader.feed(body[at : at + 10])
    reader.finish()


def _page(text: str) -> None:
    from_reply(502, {}, text.encode(), ErrorContext())


def _stringified(n: int) -> str:
    return '{"a": ' + encode_text(encode_text(["x" * 10] * (n // 20))) + "}"


def _declared(text: str) -> None:
    declared = DeclaredArguments(
        {"properties": {"a": {"type": "array", "items": {"type": "array"}}}}
    )
    for character in text:
        declared.feed(character)


BACKENDS: list[Case] = [
    Case("a line without end", lambda n: b"data: " + b"x" * n, _in_pieces, 400_000),
    Case("carriage returns", lambda n: b"\r" * n, _in_pieces, 100_000),
    Case("data lines without an event", lambda n: b"data:\n" * n, _in_pieces, 20_000),
    Case("pieces of text", lambda n: _end(_chunk({"content": "x"}) * n), _answer, 400),
    Case("pieces of a header", lambda n: _end(_chunk({"content": "<|start|>"}) * n), _answer, 400),
    Case("text of text of arguments", _stringified, _declared, 50_000),
    Case("text that spells nothing", lambda n: '{"a": "' + "[" * n + '"}', _declared, 50_000),
    Case("pieces of white space", lambda n: _end(_chunk({"content": " "}) * n), _answer, 400),
    Case("pieces of a call that waits", _fragments, _answer, 400),
    Case("calls by id", _many_calls, _answer, 400),
    Case("calls by index", lambda n: _many_calls(n, index=0), _answer, 400),
    Case(
        "pieces of a name",
        lambda n: _chunk({"tool_calls": [{"function": {"name": "ab"}}]}) * n,
        _answer,
        400,
    ),
    Case("a body of blanks", lambda n: b" " * n, _answer, 200_000),
    Case("scripts without end", lambda n: "<script" * n, _page, 20_000),
    Case("scripts and styles", lambda n: "<script></style>" * n, _page, 10_000),
    Case("angle brackets", lambda n: "<" * n, _page, 60_000),
    Case("tags", lambda n: "<a>" * n, _page, 30_000),
    Case("errors in errors", lambda n: '{"error":' * n + "1" + "}" * n, _page, 200),
]


# --- text that is cleaned -----------------------------------------------------------------------

ALMOST_SECRET: list[tuple[str, str]] = [
    ("headers of web tokens", "-eyJaaaaaaaa"),
    ("short headers of web tokens", "eyJ_"),
    ("prefixes of keys", "-sk-"),
    ("common prefixes of keys", "_key-."),
    ("beginnings of private keys", "-----BEGIN PRIVATE KEY-----"),
    ("addresses", "://a@"),
    ("headers", "authorization: basic "),
    ("names of secrets", 'password="'),
    ("files of stack traces", ' File "'),
    ("paths", "/a /a/"),
]


def _repeated(part: str) -> Callable[[int], str]:
    return lambda n: part * (n // len(part))


CLEANED: list[Case] = [
    Case(f"{name}, {redacted.__name__}", _repeated(part), redacted, 30_000)
    for name, part in ALMOST_SECRET
    for redacted in (redact, redact_text)
]


# --- requests of clients ----------------------------------------------------------------------

LIMITS = RequestLimits(max_messages=100_000, max_content_bytes=10**8)


def _request(body: Json) -> None:
    raw = encode({"model": "m", "max_tokens": 1, **body})
    to_chat(
        read_request(raw, LIMITS), "m", PROFILES["generic"], ModelFacts("m"), TranslationOptions()
    )


def _talk(*messages: Json) -> Json:
    return {"messages": [*messages, {"role": "user", "content": "so"}]}


def _one_id(n: int) -> Json:
    calls = [{"type": "tool_use", "id": "a", "name": "f", "input": {}}] * n
    return _talk({"role": "user", "content": "a"}, {"role": "assistant", "content": calls})


def _backwards(n: int) -> Json:
    uses = [{"type": "tool_use", "id": f"c{i}", "name": "f", "input": {}} for i in range(n)]
    results = [{"type": "tool_result", "tool_use_id": f"c{i}", "content": "x"} for i in range(n)]
    return _talk(
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": uses},
        {"role": "user", "content": results[::-1]},
    )


def _passing(n: int) -> Json:
    said = {"role": "system", "content": "x", "clear_at": "next_user_message"}
    return {"messages": [{"role": "user", "content": "so"}, *[said] * n]}


CLIENTS: list[Case] = [
    Case("calls of one id", _one_id, _request, 1_500),
    Case("results backwards", _backwards, _request, 1_500),
    Case("system messages for one turn", _passing, _request, 1_500),
    Case(
        "blocks",
        lambda n: _talk({"role": "user", "content": [{"type": "text", "text": "x"}] * n}),
        _request,
        5_000,
    ),
    Case("values", lambda n: {**_talk(), "metadata": {"x": [[]] * n}}, _request, 60_000),
    Case(
        "tools",
        lambda n: {**_talk(), "tools": [{"name": f"t{i}", "input_schema": {}} for i in range(n)]},
        _request,
        400,
    ),
    Case(
        "a long name",
        lambda n: (["x" * 200] * 300, "y" * n),
        lambda g: suggestions(g[1], g[0]),
        50_000,
    ),
    Case("long names", lambda n: ["x" * n] * 20, lambda g: suggestions("y" * 200, g), 50_000),
    Case(
        "many names",
        lambda n: [f"name-{i}" for i in range(n)],
        lambda g: suggestions("nome", g),
        1_000,
    ),
]

CASES: list[Case] = [
    *(Case(f"{name}, whole", make, whole, size // 2) for name, make, size in TEXTS),
    *(
        Case(f"{name}, in characters", make, in_characters, size // 15)
        for name, make, size in TEXTS
    ),
    *STAGES,
    *BACKENDS,
    *CLEANED,
    *CLIENTS,
]
