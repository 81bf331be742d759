"""Calls between the special tokens of one family: Kimi, DeepSeek, gpt-oss, Gemma."""

from __future__ import annotations

import re
from collections.abc import Callable

from bridge.translation.json import encode_text
from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.source import (
    LONGEST_NAME,
    NoCallError,
    Reading,
    Source,
)
from bridge.translation.response.text_calls.tools import Tools, decoded

Reader = Callable[[Source, Tools], Reading]

# --- Kimi -------------------------------------------------------------------------------------

KIMI_CALL = "<|tool_call_begin|>"
_NUMBER = re.compile(r":\d{1,9}$")


def kimi(source: Source, tools: Tools) -> Reading:
    """One call, behind its opening mark: ``functions.name:0`` and the arguments."""
    name = yield from source.until("<|tool_call_argument_begin|>", LONGEST_NAME)
    name = tools.declared(_NUMBER.sub("", name.strip()))
    yield from source.blanks()
    text = yield from source.json_object()
    yield from source.closing("<|tool_call_end|>")
    return [tools.call(name, decoded(text))]


def kimi_section(source: Source, tools: Tools) -> Reading:
    calls: list[ToolCall] = []
    yield from source.blanks()
    mark = yield from source.expect(KIMI_CALL)
    while mark == KIMI_CALL:
        calls += yield from kimi(source, tools)
        mark = yield from source.closing(KIMI_CALL, "<|tool_calls_section_end|>")
    return calls


# --- DeepSeek ---------------------------------------------------------------------------------


def deepseek(bar: str, space: str) -> Reader:
    """A section of calls. The marks are spelt with other characters by other servers."""

    def mark_of(words: str) -> str:
        return f"<{bar}{words.replace(' ', space)}{bar}>"

    begin, separator = mark_of("tool call begin"), mark_of("tool sep")
    end, section_end = mark_of("tool call end"), mark_of("tool calls end")

    def read(source: Source, tools: Tools) -> Reading:
        calls: list[ToolCall] = []
        yield from source.blanks()
        mark = yield from source.expect(begin)
        while mark == begin:
            name = yield from source.until(separator, LONGEST_NAME)
            calls += yield from _deepseek_call(name.strip(), source, tools)
            yield from source.closing(end)
            mark = yield from source.closing(begin, section_end)
        return calls

    return read


def _deepseek_call(name: str, source: Source, tools: Tools) -> Reading:
    """V3.1 puts the name in front of the mark; V3 the word "function", and the name behind it."""
    fenced = name == "function"
    if fenced:
        name = (yield from source.until("```", LONGEST_NAME)).strip()
        yield from source.any_of(("json",))
    name = tools.declared(name)
    yield from source.blanks()
    text = yield from source.json_object()
    if fenced:
        yield from source.closing("```")
    return [tools.call(name, decoded(text))]


# --- gpt-oss ----------------------------------------------------------------------------------


def harmony(source: Source, tools: Tools) -> Reading:
    """Behind ``<|channel|>commentary to=``: the name, perhaps a format, and the arguments."""
    name = tools.declared((yield from source.name()))
    yield from source.until("<|message|>", LONGEST_NAME)
    yield from source.blanks()
    text = yield from source.json_object()
    yield from source.closing("<|call|>", "<|end|>", "<|return|>")
    return [tools.call(name, decoded(text))]


# --- Gemma: call:name{key:<|"|>text<|"|>,other:1} ---------------------------------------------

GEMMA_QUOTE = '<|"|>'
_GEMMA_KEY = re.compile(r"([{,]\s{0,20})([A-Za-z_][\w.-]{0,99})\s{0,20}:")
_GEMMA_END = "<tool_call|>"


def gemma(source: Source, tools: Tools) -> Reading:
    """The object is JSON but for bare keys and the marks around strings."""
    yield from source.expect("call:")
    name = tools.declared((yield from source.name()))
    yield from source.blanks()
    if (yield from source.peek()) != "{":
        raise NoCallError
    parts: list[str] = []
    while True:
        text, mark = yield from source.until_any((GEMMA_QUOTE, _GEMMA_END))
        parts.append(_GEMMA_KEY.sub(r'\1"\2":', text))
        if mark == _GEMMA_END:
            return [tools.call(name, decoded("".join(parts)))]
        parts.append(encode_text((yield from source.until(GEMMA_QUOTE))))
