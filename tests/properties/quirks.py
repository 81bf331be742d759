"""Answers of which every word is known, told with the quirks that users reported of servers.

A `Truth` is what the backend means; `Manners` are its quirks, in any combination; `streamed` and
`plain` tell the one with the other. What must come out is written down here a second time, from
the truth alone: `wanted`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from bridge.translation.request.tools import ToolNames
from tests.properties.values import pieces
from tests.shapes import Json

NAMES = ("Bash", "TodoWrite")
SCHEMA: Json = {
    "type": "object",
    "properties": {
        "todos": {"type": "array"},
        "opts": {"type": "object"},
        "note": {"type": "string"},
        "n": {"type": "integer"},
    },
}
THINKING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "both", "object")
THINKING = (*THINKING_FIELDS, "details", "parts", "field and closer", "tags", "channels")
CONTENT = ("text", "parts", "strings", "object")
IDENTITY = ("index", "one index", "no id", "no index", "numbers", "text index", "repeated")
WHOLE_CALLS = ("one index", "no id")
"""Nothing but whole calls can be told apart so."""
DECORATED = ("{}", "functions.{}", "functions.{}:0", "{}<|channel|>commentary", " {}\n")
ARGUMENTS = ("text", "object", "text of text", "text inside")
USAGE = ("own chunk", "choice", "x_groq", "zeros behind", "every chunk")
CACHED: dict[str, Any] = {
    "details": lambda n: {"prompt_tokens_details": {"cached_tokens": n}},
    "deepseek": lambda n: {"prompt_cache_hit_tokens": n},
    "anthropic": lambda n: {"cache_read_input_tokens": n},
}
REASONS = {
    "stop": "",
    "STOP": "",
    "eos": "",
    "tool_calls": "",
    "length": "max_tokens",
    "MAX_TOKENS": "max_tokens",
    "max_output_tokens": "max_tokens",
    "content_filter": "refusal",
    "SAFETY": "refusal",
    "sensitive": "refusal",
    "model_context_window_exceeded": "model_context_window_exceeded",
}
NOISE: tuple[bytes, ...] = (
    b": keep-alive\n\n",
    b'data: {"choices": null}\n\n',
    b'data: {"choices": [{"delta": null}]}\n\n',
    b'data: {"choices": []}\n\n',
    b"data: \n\n",
    b"event: ping\n\n",
)
UNREADABLE = b'data: {"choices": [{"delta": {"con\n\n'


@dataclass(frozen=True)
class Truth:
    thinking: str
    text: str
    calls: tuple[tuple[str, Json], ...]
    reason: str
    prompt: int
    cached: int
    completion: int


@dataclass(frozen=True)
class Manners:
    """How the backend tells it. `noise` is what stands between chunks, None a chunk that is lost
    where nothing is open."""

    thinking: str
    content: str
    identity: str
    decorated: str
    arguments: str
    usage: str
    cached: str
    repeats_all: bool
    finishes_always: bool
    framing: tuple[str, str]
    done: int
    noise: tuple[bytes | None, ...]
    cuts: tuple[int, ...]

    @property
    def terms(self) -> Json:
        names = ToolNames(128, {})
        for name in NAMES:
            names.declare(name)
        tags = "tags" if self.thinking == "tags" else ""
        schemas = dict.fromkeys(NAMES, SCHEMA)
        return {"client_name": names.to_client, "schemas": schemas, "inline_thinking": tags}


# --- what must come out -----------------------------------------------------------------------


def wanted(truth: Truth) -> Json:
    """Blocks, stop reason and counts."""
    blocks: list[Json] = [{"thinking": truth.thinking}] if truth.thinking else []
    blocks += [{"text": truth.text}] if truth.text else []
    blocks += [{"name": name, "input": given} for name, given in truth.calls]
    stop = REASONS[truth.reason] or ("tool_use" if truth.calls else "end_turn")
    counts = {
        "input_tokens": truth.prompt - truth.cached,
        "cache_read_input_tokens": truth.cached,
        "output_tokens": truth.completion,
    }
    return {"content": blocks or [{"text": ""}], "stop_reason": stop, "usage": counts}


# --- how it is told ---------------------------------------------------------------------------


def _thinking(piece: str, manners: Manners) -> Json:
    match manners.thinking:
        case "both":
            return {"reasoning_content": piece, "reasoning": piece}
        case "object":
            return {"reasoning_content": {"text": piece}}
        case "details":
            return {"reasoning_details": [{"type": "reasoning.text", "text": piece}]}
        case "parts":
            return {"content": [{"type": "thinking", "thinking": [{"text": piece}]}]}
        case "field and closer":
            return {"reasoning_content": piece}
        case field:
            return {field: piece}


def _content(piece: str, manners: Manners) -> Json:
    forms: dict[str, Any] = {
        "text": piece,
        "parts": [{"type": "text", "text": piece}],
        "strings": [piece],
        "object": {"type": "output_text", "text": piece},
    }
    return {"content": forms[manners.content]}


def _in_text(truth: Truth, manners: Manners) -> tuple[str, str]:
    """(what stands in the place of thinking, the whole text), with what leaks into the text."""
    thinking, text = truth.thinking, truth.text
    if not thinking:
        return "", text
    match manners.thinking:
        case "tags":
            return "", f"<think>{thinking}</think>\n\n{text}"
        case "channels":
            final = f"<|start|>assistant<|channel|>final<|message|>{text}<|return|>" if text else ""
            return "", f"<|channel|>analysis<|message|>{thinking}<|end|>{final}"
        case "field and closer":
            return thinking, f"</think>\n\n{text}" if text else ""
    return thinking, text


def _arguments(given: Json, manners: Manners) -> str:
    if manners.arguments == "text inside":
        given = {k: json.dumps(v) if k in ("todos", "opts") else v for k, v in given.items()}
    text = json.dumps(given, ensure_ascii=False)
    return json.dumps(text) if manners.arguments == "text of text" else text


def _fragments(number: int, name: str, given: Json, manners: Manners) -> Iterator[Json]:
    """One call, in pieces where its manners allow that."""
    whole = manners.identity in WHOLE_CALLS or manners.arguments == "object"
    text = _arguments(given, manners)
    parts = [text] if whole else [part for part in pieces(text, list(manners.cuts)) if part]
    told = {"name": manners.decorated.format(name)}
    for at, part in enumerate(parts):
        value: Any = given if manners.arguments == "object" else part
        again = at == 0 or manners.identity == "repeated"
        function = (told if again else {}) | {"arguments": value}
        yield _identity(number, again, manners) | {"function": function}


def _identity(number: int, first: bool, manners: Manners) -> Json:
    identity = f"call_{number}"
    match manners.identity:
        case "one index":
            return {"index": 0, "id": identity}
        case "no id":
            return {"index": 0}
        case "no index":
            return {"id": identity} if first else {}
        case "numbers":
            return {"index": number} | ({"id": number} if first else {})
        case "text index":
            return {"index": str(number)} | ({"id": identity} if first else {})
    return {"index": number} | ({"id": identity} if first else {})


def _usage(truth: Truth, manners: Manners) -> Json:
    counts: Json = {"prompt_tokens": truth.prompt, "completion_tokens": truth.completion}
    return counts | dict(CACHED[manners.cached](truth.cached))


def _deltas(truth: Truth, manners: Manners) -> Iterator[Json]:
    thinking, text = _in_text(truth, manners)
    cuts = list(manners.cuts)
    yield from (_thinking(piece, manners) for piece in pieces(thinking, cuts) if piece)
    yield from (_content(piece, manners) for piece in pieces(text, cuts) if piece)
    for number, (name, given) in enumerate(truth.calls):
        for fragment in _fragments(number, name, given, manners):
            yield {"tool_calls": [fragment]}


def _chunks(truth: Truth, manners: Manners) -> Iterator[Json]:
    usage = _usage(truth, manners)
    for delta in _deltas(truth, manners):
        reason = truth.reason if manners.finishes_always else None
        chunk: Json = {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        yield chunk | ({"usage": usage} if manners.usage == "every chunk" else {})
    last: Json = {"index": 0, "finish_reason": truth.reason}
    if manners.repeats_all and truth.text and not truth.calls:
        last |= {"message": {"role": "assistant", "content": truth.text}}
    else:
        last["delta"] = {}
    if manners.usage == "choice":
        last["usage"] = usage
    yield {"choices": [last]} | ({"x_groq": {"usage": usage}} if manners.usage == "x_groq" else {})
    if manners.usage in ("own chunk", "zeros behind", "every chunk"):
        yield {"choices": [], "usage": usage}
    if manners.usage == "zeros behind":
        yield {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}


def streamed(truth: Truth, manners: Manners) -> list[bytes]:
    """The events of the stream."""
    before, line_end = manners.framing
    told: list[bytes] = []
    for number, chunk in enumerate(_chunks(truth, manners)):
        noise = manners.noise[number % len(manners.noise)] if manners.noise else b""
        is_call = bool(truth.calls) and "tool_calls" in str(chunk)
        told += [] if is_call and noise is None else [UNREADABLE if noise is None else noise]
        text = json.dumps(chunk, ensure_ascii=False)
        told.append(f"{before}{text}{line_end}{line_end}".encode())
    return told + [b"data: [DONE]\n\n"] * manners.done


def plain(truth: Truth, manners: Manners) -> bytes:
    """The same as one document."""
    thinking, text = _in_text(truth, manners)
    message: Json = {"role": "assistant"}
    if thinking:
        message |= _thinking(thinking, manners)
    if text:
        given = _content(text, manners)["content"]
        thoughts = message.get("content", [])
        message["content"] = (
            [*thoughts, *(given if isinstance(given, list) else [given])] if thoughts else given
        )
    calls = [
        fragment
        for number, (name, given) in enumerate(truth.calls)
        for fragment in _fragments(number, name, given, _whole(manners))
    ]
    if calls:
        message["tool_calls"] = calls
    choice: Json = {"index": 0, "message": message, "finish_reason": truth.reason}
    usage = _usage(truth, manners)
    if manners.usage == "choice":
        choice["usage"] = usage
    rest = {"x_groq": {"usage": usage}} if manners.usage == "x_groq" else {"usage": usage}
    reply = {"choices": [choice]} | ({} if manners.usage == "choice" else rest)
    return json.dumps(reply, ensure_ascii=False).encode()


def _whole(manners: Manners) -> Manners:
    return replace(manners, cuts=())


# --- strategies -------------------------------------------------------------------------------

_LETTERS = st.text(st.sampled_from("ab é🙂\n\"'\\{}[]:,"), max_size=20)
_WORDS = st.one_of(st.just(""), _LETTERS.map(lambda text: f"A{text}z"))
_VALUES = st.one_of(st.integers(-9, 9), st.booleans(), st.none(), _LETTERS)
_INPUTS = st.fixed_dictionaries(
    {},
    optional={
        "todos": st.lists(
            st.one_of(_VALUES, st.dictionaries(_LETTERS, _VALUES, max_size=2)), max_size=3
        ),
        "opts": st.dictionaries(_LETTERS, _VALUES, max_size=3),
        "note": st.one_of(_LETTERS, st.sampled_from(["[1]", "{}", '"[1]"'])),
        "n": st.integers(-99, 99),
    },
)
_CALLS = st.lists(st.tuples(st.sampled_from(NAMES), _INPUTS), max_size=3).map(tuple)
TRUTHS = st.builds(
    Truth,
    thinking=_WORDS,
    text=_WORDS,
    calls=_CALLS,
    reason=st.sampled_from(sorted(REASONS)),
    prompt=st.integers(100, 999),
    cached=st.sampled_from([0, 40, 99]),
    completion=st.integers(1, 99),
)
MANNERS = st.builds(
    Manners,
    thinking=st.sampled_from(THINKING),
    content=st.sampled_from(CONTENT),
    identity=st.sampled_from(IDENTITY),
    decorated=st.sampled_from(DECORATED),
    arguments=st.sampled_from(ARGUMENTS),
    usage=st.sampled_from(USAGE),
    cached=st.sampled_from(sorted(CACHED)),
    repeats_all=st.booleans(),
    finishes_always=st.booleans(),
    framing=st.sampled_from(
        [("data: ", "\n"), ("data:", "\r\n"), ("event: message\ndata: ", "\n")]
    ),
    done=st.sampled_from([0, 1, 1, 2]),
    noise=st.lists(st.sampled_from([*NOISE, None]), max_size=3).map(tuple),
    cuts=st.lists(st.integers(0, 60), max_size=4).map(tuple),
)
