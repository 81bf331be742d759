"""Calls in Python's notation: ``[get_weather(city="Lisbon"), now()]``.

The list is collected up to its closing bracket and parsed once, by Python's own parser. That
parser works in time and depth that its input decides, so both are bounded here.
"""

from __future__ import annotations

import ast
import re
import warnings

from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.source import NoCallError, Reading, Source, Step
from bridge.translation.response.text_calls.tools import Tools

LONGEST = 32 * 1024
"""Characters of a list. A longer one stays text."""
DEEPEST = 50
"""Brackets in brackets."""
DOTS = 8
_NOTABLE = re.compile(r"""['"\\()\[\]{}]""")


def python_list(source: Source, tools: Tools) -> Reading:
    """The calls of a list whose opening bracket was read."""
    yield from source.blanks()
    name = yield from source.name()
    tools.declared(name)
    yield from source.blanks()
    yield from source.expect("(")
    rest = yield from _up_to_the_bracket(source)
    return parsed(f"[{name}({rest}", tools)


def _up_to_the_bracket(source: Source) -> Step:
    """The text up to the bracket that closes the list, two brackets being open."""
    quote, depth, size = "", 2, 0
    taken: list[str] = []
    while depth:
        piece = yield from source.up_to(_NOTABLE)
        mark = piece[-1]
        if mark == "\\":
            piece += yield from source.character()
        elif quote:
            quote = "" if mark == quote else quote
        elif mark in "'\"":
            quote = mark
        else:
            depth += 1 if mark in "([{" else -1
        taken.append(piece)
        size += len(piece)
        if size > LONGEST or depth > DEEPEST:
            raise NoCallError
    return "".join(taken)


def parsed(text: str, tools: Tools) -> list[ToolCall]:
    """The calls of a list of calls; raises NoCallError when it is anything else."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
        if not isinstance(tree, ast.List) or not tree.elts:
            raise NoCallError
        return [_call(node, tools) for node in tree.elts]
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise NoCallError from None


def _call(node: ast.expr, tools: Tools) -> ToolCall:
    if not isinstance(node, ast.Call) or node.args:
        raise NoCallError
    arguments = {str(k.arg): ast.literal_eval(k.value) for k in node.keywords if k.arg}
    if len(arguments) != len(node.keywords) or not _is_json(arguments):
        raise NoCallError
    return tools.call(_dotted(node.func), arguments)


def _dotted(node: ast.expr) -> str:
    """A name, or names with dots between."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < DOTS:
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise NoCallError
    return ".".join((node.id, *reversed(parts)))


def _is_json(value: object) -> bool:
    """Python has values that JSON has no form for."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, (str, bool, int, float))
