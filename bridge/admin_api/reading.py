"""Bytes and query strings -> structs; what is wrong with them is one sentence with the field."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.core.exceptions import ValidationError
from django.http import QueryDict

from bridge.models import Document
from bridge.translation.errors.api_error import ApiError

DEEPEST = 60
LONGEST_MESSAGE = 1000
YEARS = range(1970, 9000)
_PLACE = re.compile(r"(?s)(.*?)(?: - at `(?:key in )?\$\.?(.*)`)?")
_UNKNOWN = re.compile(r"(?s)Object contains unknown field `(.*)`")
_WORD = re.compile(r"\w[\w-]{0,99}")
_MISSING = re.compile(r"Object missing required field `(.*)`")


def invalid(field: str, problem: str) -> ApiError:
    """A 400 that names the field."""
    return ApiError.invalid(f"{field}: {problem}"[:LONGEST_MESSAGE])


def read_body(raw: bytes, kind: Any) -> Any:
    """The body as a struct of this type; None where the route takes none. Raises a 400."""
    if kind is None:
        if raw.strip() not in (b"", b"{}"):
            raise invalid("body", "expected none")
        return None
    try:
        value = msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise _told(error, "body") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("body", f"expected JSON: {error}") from None
    except RecursionError:
        raise invalid("body", "nested too deep") from None
    _check(value)
    return value


def read_query(given: QueryDict, kind: type[Any] | None) -> Any:
    """The query string as a struct of this type. Names with [] may be repeated. Raises a 400."""
    members: dict[str, Any] = {}
    for name, values in given.lists():
        if not name.endswith("[]") and len(values) > 1:
            raise invalid(name[:100], "given more than once")
        members[name] = values if name.endswith("[]") else values[0]
    if kind is None:
        if members:
            raise invalid(next(iter(members))[:100], "no such parameter")
        return None
    try:
        value = msgspec.convert(members, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _told(error, "query") from None
    _check(members)
    return value


def check_path(parameters: dict[str, str]) -> None:
    """Raises a 404: nothing has such a name."""
    if any("\0" in value or not _is_text(value) for value in parameters.values()):
        raise ApiError(404, "Not found")


def document_of(body: Any) -> Document:
    """The members that a body has, as a document."""
    members = {}
    for name in body.__struct_fields__:
        value = getattr(body, name)
        if isinstance(value, datetime):
            value = _moment(name, value)
        if value is not msgspec.UNSET:
            members[name] = msgspec.to_builtins(value)
    return members


def refused(error: ValidationError, columns: dict[str, str], place: str = "") -> ApiError:
    """What a row says against its document, by the names of members. `columns`: member -> column"""
    if not hasattr(error, "error_dict"):
        return ApiError.invalid(" ".join(error.messages)[:LONGEST_MESSAGE])
    members = {column: member for member, column in columns.items()}
    problems = (
        f"{place}{members.get(name, name)}: {' '.join(texts)}"
        for name, texts in error.message_dict.items()
    )
    return ApiError.invalid("; ".join(problems)[:LONGEST_MESSAGE])


def _told(error: msgspec.ValidationError, whole: str) -> ApiError:
    found = _PLACE.fullmatch(str(error))
    text, place = (found[1], found[2] or "") if found else (str(error), "")
    place = place.replace("[...]", "[]")
    for pattern, problem in ((_UNKNOWN, "no such member"), (_MISSING, "is missing")):
        if named := pattern.fullmatch(text):
            return invalid(f"{place}.{_spelt(named[1])}".lstrip("."), problem)
    return invalid(place or whole, f"{text[:1].lower()}{text[1:]}")


def _spelt(name: str) -> str:
    """A name of a member as a message has it: in quotes where it would not be seen for one."""
    return name if _WORD.fullmatch(name) else json.dumps(name[:100])


def _moment(name: str, value: datetime) -> str:
    """In UTC. Raises a 400 for a year that a database may not know."""
    try:
        at = value.astimezone(UTC)
    except OverflowError:
        at = None
    if at is None or at.year not in YEARS:
        raise invalid(name, f"expected a year from {YEARS.start} to {YEARS.stop - 1}")
    return at.isoformat()


def _check(value: Any) -> None:
    """Text that no database takes, and values nested too deep. Raises a 400."""
    stack = [(value, "", 0)]
    while stack:
        item, place, depth = stack.pop()
        if depth > DEEPEST:
            raise invalid(place.partition(".")[0], "nested too deep")
        if isinstance(item, str) and ("\0" in item or not _is_text(item)):
            raise invalid(place or "body", "a null character cannot be stored")
        stack += [(below, f"{place}{name}", depth + 1) for name, below in _below(item, place)]


def _below(item: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The parts of a value, each with what stands behind its place."""
    dot = "." if place else ""
    if isinstance(item, msgspec.Struct):
        yield from ((f"{dot}{name}", getattr(item, name)) for name in item.__struct_fields__)
    elif isinstance(item, dict):
        for name, value in item.items():
            yield "", name
            yield f"{dot}{_spelt(name)}", value
    elif isinstance(item, list):
        yield from ((f"[{number}]", value) for number, value in enumerate(item))


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
