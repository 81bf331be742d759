"""Arguments read by the tool's declared schema: a value that is JSON text is the value it spells.

Models write ``{"todos": "[{\\"content\\": \\"a\\"}]"}`` where the schema says array, and clients
refuse a string there. So where a schema takes an array or an object and no text, a string that
spells one is replaced by it. Anything else stays what the model wrote, to the character.

What comes in is the text of one JSON object, in pieces cut anywhere, as `ArgumentStream` lets it
out. Only strings that may be replaced are held back, until they end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.declared_schema import DeclaredSchema
from bridge.translation.response.tool_arguments import MOST_LAYERS, spelled

_STRING_RUN = re.compile(r'[^"\\]*')
_TO_MARK = re.compile(r'[^"{}\[\],:]*')
DEEPEST = 40
"""Levels of a replaced value below which nothing is looked at."""


@dataclass(slots=True)
class _Open:
    """A container that is open: the schema it has, and of an object, the member that comes."""

    is_object: bool
    schema: JSON
    wants_key: bool = False
    key: str = ""


class DeclaredArguments:
    """Text in, text out; `finish` gives what is still held."""

    def __init__(self, schema: JSON) -> None:
        self._declared = DeclaredSchema(schema)
        self._is_off = not self._declared.has_containers
        self._open: list[_Open] = []
        self._string: list[str] | None = None
        """The characters of the string that is being read, where they matter."""
        self._in_string = self._escaped = False
        self._schema: JSON = None

    def feed(self, text: str) -> str:
        if self._is_off:
            return text
        out: list[str] = []
        position = 0
        while position < len(text):
            if self._in_string:
                position = self._read_string(text, position, out)
            else:
                position = self._read_mark(text, position, out)
        return "".join(out)

    def finish(self) -> str:
        """The arguments are over, perhaps inside a string: it goes out as it came."""
        held = self._string if self._string and not self._is_key() else None
        self._string = None
        return "".join(held or ())

    # --- outside strings ----------------------------------------------------------------------

    def _read_mark(self, text: str, position: int, out: list[str]) -> int:
        found = _TO_MARK.match(text, position)
        end = found.end() if found else position
        out.append(text[position:end])
        if end == len(text):
            return end
        mark = text[end]
        if mark == '"':
            self._begin_string(out)
        else:
            self._structure(mark)
            out.append(mark)
        return end + 1

    def _structure(self, mark: str) -> None:
        if mark in "{[":
            self._open.append(_Open(mark == "{", self._next_schema(), wants_key=mark == "{"))
        elif mark in "}]" and self._open:
            self._open.pop()
        elif self._open:
            self._open[-1].wants_key = mark == "," and self._open[-1].is_object

    def _next_schema(self) -> JSON:
        """The schema of the value that begins here."""
        if not self._open:
            return self._declared.root
        around = self._open[-1]
        if around.is_object:
            return self._declared.member(around.schema, around.key)
        return self._declared.item(around.schema)

    # --- strings ------------------------------------------------------------------------------

    def _is_key(self) -> bool:
        return bool(self._open) and self._open[-1].wants_key

    def _begin_string(self, out: list[str]) -> None:
        self._in_string, self._escaped = True, False
        self._schema = None if self._is_key() else self._next_schema()
        held = self._is_key() or bool(self._declared.containers(self._schema))
        self._string = ['"'] if held else None
        if not held or self._is_key():
            out.append('"')

    def _read_string(self, text: str, position: int, out: list[str]) -> int:
        end, is_over = self._string_end(text, position)
        piece = text[position:end]
        is_key = self._is_key()
        if self._string is not None:
            self._string.append(piece)
        if self._string is None or is_key:
            out.append(piece)
        if is_over:
            self._in_string = False
            literal, self._string = "".join(self._string or ()), None
            if is_key:
                self._open[-1].key = str(_decoded(literal))
            elif literal:
                out.append(self._replaced(literal))
        return end

    def _string_end(self, text: str, position: int) -> tuple[int, bool]:
        """Where the string ends, or the piece; and which of both."""
        while position < len(text):
            if self._escaped:
                self._escaped = False
                position += 1
                continue
            found = _STRING_RUN.match(text, position)
            position = found.end() if found else position
            if position == len(text):
                break
            position += 1
            if text[position - 1] == '"':
                return position, True
            self._escaped = True
        return position, False

    def _replaced(self, literal: str) -> str:
        value = self._spelled(_decoded(literal), self._schema)
        return literal if value is None else encode_text(value)

    # --- values -------------------------------------------------------------------------------

    def _spelled(self, text: JSON, schema: JSON, depth: int = 0) -> JSON:
        """The container that a text spells; None where the schema takes no such one."""
        containers = self._declared.containers(schema)
        for _ in range(MOST_LAYERS if containers else 0):
            if not isinstance(text, str):
                break
            text = spelled(text)
        kind = "object" if isinstance(text, dict) else "array" if isinstance(text, list) else ""
        return self._mended(text, schema, depth) if kind in containers else None

    def _mended(self, value: JSON, schema: JSON, depth: int) -> JSON:
        """The value, with what is JSON text inside it replaced too."""
        if depth > DEEPEST:
            return value
        if isinstance(value, dict):
            schemas = {name: self._declared.member(schema, name) for name in value}
            return {k: self._mended(v, schemas[k], depth + 1) for k, v in value.items()}
        if isinstance(value, list):
            item = self._declared.item(schema)
            return [self._mended(v, item, depth + 1) for v in value]
        found = self._spelled(value, schema, depth + 1) if isinstance(value, str) else None
        return value if found is None else found


def _decoded(literal: str) -> JSON:
    """The text of a string literal; "" where it is none."""
    if "\\" not in literal:
        return literal[1:-1]
    try:
        return decode(literal.encode("utf-8", "replace"))
    except ValueError:
        return ""
