"""Whether a document can be handed out as managed settings: each fault as one sentence. Pure."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

from bridge.client_settings.known_keys import INSTEAD, KEYS, PERMISSIONS, ValueKind
from bridge.translation.json import depth_exceeds

NO_OBJECT = 'Expected a JSON object, such as {"model": "claude-sonnet-5"}.'
MOST_BYTES = 256 * 1024
"""Of a document as JSON; a client reads two megabytes."""
MOST_LEVELS = 50
LONGEST_NAME = 80
PROTOTYPE = "__proto__"
"""A key that is lost where a client sorts the keys of an object."""


def faults(settings: Any) -> list[str]:
    """What is wrong with it, each sentence with the name of its key; empty for nothing."""
    if not isinstance(settings, dict):
        return [NO_OBJECT]
    if depth_exceeds(settings, MOST_LEVELS):
        return [f"Nested more than {MOST_LEVELS} levels deep."]
    return [fault for name, value in settings.items() for fault in _of_key(name, value)]


def good_part(settings: Any) -> dict[str, Any]:
    """The keys of a stored document that have no fault."""
    if not isinstance(settings, dict) or depth_exceeds(settings, MOST_LEVELS):
        return {}
    return {
        name: value for name, value in settings.items() if next(_of_key(name, value), None) is None
    }


def _of_key(name: str, value: Any) -> Iterator[str]:
    kind = KEYS.get(name)
    if kind is None:
        yield f"{_short(name)}: unknown key{_hint(name)}"
        return
    yield from _unfit(name, kind, value)
    yield from _impossible(name, value)
    if name == "permissions" and isinstance(value, dict):
        for member, expected in PERMISSIONS.items():
            if member in value:
                yield from _unfit(f"permissions.{member}", expected, value[member])


def _unfit(name: str, kind: ValueKind, value: Any) -> Iterator[str]:
    if not kind.fits(value):
        yield f"{name}: expected {kind.expected}."


def _impossible(name: str, value: Any) -> Iterator[str]:
    """What JSON in a client cannot hold. The depth is bounded."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{name}: expected a number that JSON has."
    for member, each in _members(value):
        if member == PROTOTYPE:
            yield f"{name}: expected no member {PROTOTYPE}."
        yield from _impossible(name, each)


def _members(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        yield from (("", each) for each in value)


def _hint(name: str) -> str:
    """What may have been meant."""
    close = difflib.get_close_matches(name[:LONGEST_NAME], KEYS, n=1, cutoff=0.8)
    meant = INSTEAD.get(name) or next(iter(close), "")
    return f"; do you mean {meant}?" if meant else " of Claude Code's managed settings."


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}..."
