"""Calls written as JSON: ``{"name": ..., "arguments": {...}}`` in many wrappings."""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.translation.json import JSON
from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.python_calls import python_list
from bridge.translation.response.text_calls.source import HEAD, NoCallError, Reading, Source
from bridge.translation.response.text_calls.tools import Tools, decoded

_NAMES = ("name", "tool_name", "tool")
_ARGUMENTS = ("arguments", "parameters", "input", "args")
_AROUND = ("id", "type", "function", "index", "tool_call_id")
_FIRST = frozenset((*_NAMES, *_ARGUMENTS, *_AROUND))
_HEAD = re.compile(r'\{\s*"([^"\\]{0,40})"\s*:\s*(?:"([^"\\]{0,256})")?')
_FENCE_WORDS = frozenset({"", "json", "tool_call", "tool_calls", "tool_code"})


def head_check(tools: Tools) -> Callable[[str], None]:
    """Rules an object out by its first member: it is one of a call, and names a declared tool."""

    def check(head: str) -> None:
        found = _HEAD.match(head)
        if found is None:
            if len(head) >= HEAD:
                raise NoCallError
            return
        if found[1] not in _FIRST:
            raise NoCallError
        if found[1] in _NAMES and found[2] is not None:
            tools.declared(found[2])

    return check


def named(value: JSON, tools: Tools, *, strict: bool = False) -> ToolCall:
    """The call that an object describes. `strict`: it is nothing else, and has its arguments."""
    if not isinstance(value, dict):
        raise NoCallError
    function = value.get("function")
    if strict and not _FIRST.issuperset(value):
        raise NoCallError
    if isinstance(function, dict):
        return named(function, tools, strict=strict)
    name = next((value[key] for key in _NAMES if key in value), function)
    missing: JSON = None if strict else {}
    arguments = next((value[key] for key in _ARGUMENTS if key in value), missing)
    return tools.call(name, arguments)


def json_calls(source: Source, tools: Tools, strict: bool = False) -> Reading:
    """One object, or a list of objects."""
    yield from source.blanks()
    if not (yield from source.any_of(("[",))):
        text = yield from source.json_object(head_check(tools))
        return [named(decoded(text), tools, strict=strict)]
    calls: list[ToolCall] = []
    mark = ","
    while mark == ",":
        yield from source.blanks()
        text = yield from source.json_object(head_check(tools))
        calls.append(named(decoded(text), tools, strict=strict))
        yield from source.blanks()
        mark = yield from source.expect(",", "]")
    return calls


def between(*closers: str) -> Callable[[Source, Tools], Reading]:
    """JSON up to a closing mark, which the model may leave out at the end."""

    def read(source: Source, tools: Tools) -> Reading:
        calls = yield from json_calls(source, tools)
        yield from source.closing(*closers)
        return calls

    return read


# --- the whole answer -------------------------------------------------------------------------


def whole_json(source: Source, tools: Tools) -> Reading:
    """An answer that is nothing but objects, one behind the other."""
    calls: list[ToolCall] = []
    while not calls or not source.over:
        calls += yield from json_calls(source, tools, strict=True)
        yield from source.blanks()
        yield from source.any_of((";",))
        yield from source.blanks()
        if (yield from source.peek()) not in ("", "{"):
            raise NoCallError
    return calls


def whole_list(source: Source, tools: Tools) -> Reading:
    """An answer that is one list: of objects, or of calls in Python's notation."""
    yield from source.expect("[")
    yield from source.blanks()
    if (yield from source.peek()) != "{":
        return (yield from python_list(source, tools))
    calls: list[ToolCall] = []
    mark = ","
    while mark == ",":
        yield from source.blanks()
        text = yield from source.json_object(head_check(tools))
        calls.append(named(decoded(text), tools, strict=True))
        yield from source.blanks()
        mark = yield from source.expect(",", "]")
    return calls


def whole_fence(source: Source, tools: Tools) -> Reading:
    """An answer that is nothing but fenced JSON."""
    calls: list[ToolCall] = []
    while not calls or not source.over:
        yield from source.expect("```")
        word = yield from source.until("\n", longest=20)
        if word.strip() not in _FENCE_WORDS:
            raise NoCallError
        calls += yield from json_calls(source, tools, strict=True)
        yield from source.closing("```")
        yield from source.blanks()
    return calls


def list_until(closer: str) -> Callable[[Source, Tools], Reading]:
    """A list of either kind up to a closing mark."""

    def read(source: Source, tools: Tools) -> Reading:
        yield from source.blanks()
        calls = yield from whole_list(source, tools)
        yield from source.closing(closer)
        return calls

    return read


# --- Llama and Mistral ------------------------------------------------------------------------


def python_tag(source: Source, tools: Tools) -> Reading:
    """Llama: objects with semicolons between them, or a list in Python's notation."""
    yield from source.blanks()
    if (yield from source.peek()) == "[":
        calls = yield from whole_list(source, tools)
    else:
        calls, more = [], ";"
        while more:
            yield from source.blanks()
            text = yield from source.json_object(head_check(tools))
            calls.append(named(decoded(text), tools))
            yield from source.blanks()
            more = yield from source.any_of((";",))
    yield from source.blanks()
    yield from source.any_of(("<|eom_id|>", "<|eot_id|>", "<|python_end|>"))
    return calls


def mistral(source: Source, tools: Tools) -> Reading:
    """A list of objects; or a name, an id perhaps, and the arguments."""
    yield from source.blanks()
    if (yield from source.peek()) == "[":
        return (yield from json_calls(source, tools))
    name = yield from source.name()
    tools.declared(name)
    yield from source.blanks()
    if (yield from source.any_of(("[CALL_ID]",))):
        yield from source.name()
        yield from source.blanks()
    yield from source.any_of(("[ARGS]",))
    yield from source.blanks()
    text = yield from source.json_object()
    return [tools.call(name, decoded(text))]
