"""The declared tools, and what makes a name and its arguments a call of one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.deltas import ToolCall
from bridge.translation.response.text_calls.source import NoCallError
from bridge.translation.response.tool_arguments import ArgumentStream

_PREFIXES = ("functions.", "tools.")
_TEXT_KINDS = frozenset({"string", "null"})


class Tools:
    """Declared tools: name at the backend -> JSON schema of its arguments."""

    def __init__(self, schemas: Mapping[str, JSON]) -> None:
        self._schemas = schemas
        self._alike: dict[str, list[str]] = {}
        for name in schemas:
            self._alike.setdefault(name.lower(), []).append(name)

    def declared(self, name: JSON) -> str:
        """The declared tool of that name, or the only one that differs from it by case."""
        if not isinstance(name, str):
            raise NoCallError
        spelt: str = name.strip()
        bare = spelt
        for prefix in _PREFIXES:
            bare = bare.removeprefix(prefix)
        for spelling in (spelt, bare):
            if spelling in self._schemas:
                return spelling
        alike = self._alike.get(bare.lower(), [])
        if len(alike) != 1:
            raise NoCallError
        return alike[0]

    def call(self, name: JSON, arguments: JSON) -> ToolCall:
        """One call: the name is declared, the arguments are an object with all that is required."""
        declared = self.declared(name)
        if isinstance(arguments, str):
            arguments = json_object(arguments) if arguments.strip() else {}
        if not isinstance(arguments, dict):
            raise NoCallError
        schema = self._schemas[declared]
        required = schema.get("required") if isinstance(schema, dict) else None
        names = required if isinstance(required, list) else []
        if any(isinstance(member, str) and member not in arguments for member in names):
            raise NoCallError
        return ToolCall(name=declared, arguments=encode_text(arguments))

    def tagged(self, name: str, pairs: Iterable[tuple[str, str]]) -> ToolCall:
        """A call whose arguments are plain text: the tool's schema says what they mean."""
        schema = self._schemas[self.declared(name)]
        properties = schema.get("properties") if isinstance(schema, dict) else None
        types: dict[str, Any] = properties if isinstance(properties, dict) else {}
        return self.call(name, {key: typed(text, types.get(key)) for key, text in pairs})


def typed(text: str, schema: JSON) -> JSON:
    """An argument written as plain text. Text where the schema says so, or where it is no JSON."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    kinds = kind if isinstance(kind, list) else [kind]
    if "string" in kinds and _TEXT_KINDS.issuperset(k for k in kinds if isinstance(k, str)):
        return text
    try:
        return decode(text.strip().encode())
    except ValueError:
        return text


def json_object(text: str) -> JSON:
    """The JSON object in this text, its slips mended; None when there is none."""
    stream = ArgumentStream()
    mended = stream.feed(text.strip())
    return decoded(mended) if stream.complete else None


def decoded(text: str) -> JSON:
    """A JSON value; raises NoCallError when this is none."""
    try:
        return decode(text.encode("utf-8", "replace"))
    except ValueError:
        raise NoCallError from None
