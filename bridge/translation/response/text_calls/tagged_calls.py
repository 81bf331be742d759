"""Calls whose name and arguments stand between marks or tags, each argument as plain text.

A value may hold the very tag that closes it. So a closing tag counts only where the next argument
or the end of the call follows it.
"""

from __future__ import annotations

from collections.abc import Callable

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.json_calls import json_calls
from bridge.translation.response.text_calls.source import (
    LONGEST_NAME,
    NoCallError,
    Pair,
    Reading,
    Source,
)
from bridge.translation.response.text_calls.tools import Tools, decoded, typed

Reader = Callable[[Source, Tools], Reading]


def _value(source: Source, closer: str, followers: tuple[str, ...]) -> Pair:
    """A value up to its closing tag, and which of the followers stands behind it."""
    taken: list[str] = []
    while True:
        taken.append((yield from source.until(closer)))
        blank = yield from source.blanks()
        follower = yield from source.any_of(followers)
        if follower:
            return "".join(taken), follower
        if source.over:
            raise NoCallError
        taken.append(closer + blank)


def _unpadded(text: str) -> str:
    """Without the one newline that templates put on either side of a value."""
    return text.removeprefix("\n").removesuffix("\n")


# --- Qwen Coder and Seed: <function=name><parameter=key>value</parameter></function> ----------


def function(source: Source, tools: Tools) -> Reading:
    """Behind ``<function=``; Llama writes one JSON object in place of the parameters."""
    name = yield from source.until(">", LONGEST_NAME)
    name = tools.declared(name)
    yield from source.blanks()
    if (yield from source.peek()) == "{":
        text = yield from source.json_object()
        yield from source.closing("</function>")
        return [tools.call(name, decoded(text))]
    pairs: list[tuple[str, str]] = []
    mark = yield from source.expect("<parameter=", "</function>")
    while mark == "<parameter=":
        key = yield from source.until(">", LONGEST_NAME)
        value, mark = yield from _value(source, "</parameter>", ("<parameter=", "</function>"))
        pairs.append((key.strip(), _unpadded(value)))
    return [tools.tagged(name, pairs)]


def functions_until(closer: str) -> Reader:
    """Functions up to a closing tag, which the model may leave out at the end."""

    def read(source: Source, tools: Tools) -> Reading:
        calls: list[ToolCall] = []
        yield from source.blanks()
        yield from source.expect("<function=")
        mark = "<function="
        while mark == "<function=":
            calls += yield from function(source, tools)
            mark = yield from source.closing("<function=", closer)
        return calls

    return read


# --- <tool_call>: three formats in one pair of tags -------------------------------------------

_functions = functions_until("</tool_call>")
_AFTER_VALUE = ("<arg_key>", "</tool_call>")


def tool_call(source: Source, tools: Tools) -> Reading:
    """Hermes, Qwen and Granite write JSON, Qwen Coder a function, GLM keys and values."""
    yield from source.blanks()
    following = yield from source.peek()
    if following == "<":
        return (yield from _functions(source, tools))
    if following not in ("{", "["):
        return (yield from _glm(source, tools))
    calls = yield from json_calls(source, tools)
    yield from source.closing("</tool_call>")
    return calls


def _glm(source: Source, tools: Tools) -> Reading:
    name = tools.declared((yield from source.name()))
    yield from source.blanks()
    mark = yield from source.expect(*_AFTER_VALUE)
    pairs: list[tuple[str, str]] = []
    while mark == "<arg_key>":
        key = yield from source.until("</arg_key>", LONGEST_NAME)
        yield from source.blanks()
        yield from source.expect("<arg_value>")
        value, mark = yield from _value(source, "</arg_value>", _AFTER_VALUE)
        pairs.append((key.strip(), value))
    return [tools.tagged(name, pairs)]


# --- MiniMax, DeepSeek's DSML and their relatives: <invoke name="..."> ------------------------


def invoke(tag: str = "") -> Reader:
    """Behind ``<invoke name="``. `tag` stands in front of the word in every tag."""
    opening, closing = f"<{tag}parameter name=", f"</{tag}parameter>"
    end = f"</{tag}invoke>"

    def read(source: Source, tools: Tools) -> Reading:
        name = tools.declared((yield from source.until('"', LONGEST_NAME)))
        yield from source.blanks()
        yield from source.expect(">")
        yield from source.blanks()
        mark = yield from source.expect(opening, end)
        pairs: list[tuple[str, str, str]] = []
        while mark == opening:
            yield from source.expect('"')
            key = yield from source.until('"', LONGEST_NAME)
            attributes = yield from source.until(">", LONGEST_NAME)
            value, mark = yield from _value(source, closing, (opening, end))
            pairs.append((key, attributes.strip(), value))
        return [_invoked(tools, name, pairs)]

    return read


def _invoked(tools: Tools, name: str, pairs: list[tuple[str, str, str]]) -> ToolCall:
    """DSML says of each value whether it is text."""
    if not any("string=" in attributes for _, attributes, _ in pairs):
        return tools.tagged(name, [(key, _unpadded(value)) for key, _, value in pairs])
    kinds = {'string="true"': {"type": "string"}}
    return tools.call(name, {key: typed(value, kinds.get(kind)) for key, kind, value in pairs})


def invokes_until(closer: str, tag: str = "") -> Reader:
    """Calls up to a closing tag, which the model may leave out at the end."""
    opening, read_one = f'<{tag}invoke name="', invoke(tag)

    def read(source: Source, tools: Tools) -> Reading:
        calls: list[ToolCall] = []
        yield from source.blanks()
        mark = yield from source.expect(opening)
        while mark == opening:
            calls += yield from read_one(source, tools)
            mark = yield from source.closing(opening, closer)
        return calls

    return read
