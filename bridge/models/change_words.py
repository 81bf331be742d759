"""A change of the configuration in words: what differs between two documents, fit for eyes. Pure.

No key in any form stands there, sealed or hashed. What happened to an issued key is one line of
its own, in place of the members that say it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

DEFAULT = "-"
NAMED_FIELDS = 3
REVOKED = "revoked for good"
_SECRET = {
    "api_key": "a stored key",
    "webhook": "a stored address",
    "secret": "a stored secret",
}
_OF_A_KEY = frozenset({"last_four", "minted_at", "former_four", "former_until", "revoked_at"})

Line = tuple[str, str, str]
"""Member, before, after."""


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(member, before, after) of all that differs; None stands for the default."""
    names = dict.fromkeys((*before, *after))
    return [
        (name, before.get(name), after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    ]


def lines(kind: str, before: dict[str, Any], after: dict[str, Any]) -> list[Line]:
    """The differences, one line each."""
    found = differences(before, after)
    shown_lines = [(name, _shown(name, old), _shown(name, new)) for name, old, new in found]
    if kind != "keys":
        return shown_lines
    of_the_key = _of_a_key(before, after)
    covered = _OF_A_KEY | ({"enabled"} if of_the_key and of_the_key[2] == REVOKED else set())
    rest = [line for line in shown_lines if line[0] not in covered]
    return [*([of_the_key] if of_the_key else []), *rest]


def summary(kind: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """The differences of a changed row in a few words: names of fields, and a rotation in full."""
    shown_lines = lines(kind, before, after)
    events = [_event(old, new) for name, old, new in shown_lines if _is_of_a_key(kind, name)]
    names = [name for name, _, _ in shown_lines if not _is_of_a_key(kind, name)]
    more = len(names) - NAMED_FIELDS
    fields = ", ".join(names[:NAMED_FIELDS]) + (f" and {more} more" if more > 0 else "")
    return "; ".join(filter(None, (*events, fields)))


def _is_of_a_key(kind: str, name: str) -> bool:
    return kind == "keys" and name == "key"


def _event(old: str, new: str) -> str:
    return new if new == REVOKED else f"rotated, {old} -> {new}"


def _of_a_key(before: dict[str, Any], after: dict[str, Any]) -> Line | None:
    """What became of an issued key; None when nothing did."""
    old, new = (_four(document) for document in (before, after))
    if not before or not after:
        return "key", old, new
    if before.get("minted_at") != after.get("minted_at"):
        until = after.get("former_until")
        end = f"old one until {_moment(until)}" if until else "old one ended at once"
        return "key", old, f"{new}, {end}"
    if after.get("revoked_at") and not before.get("revoked_at"):
        return "key", old, REVOKED
    return None


def _four(document: dict[str, Any]) -> str:
    return f"…{document['last_four']}" if document.get("last_four") else DEFAULT


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def _shown(name: str, value: Any) -> str:
    if value in (None, ""):
        return DEFAULT
    if name in _SECRET and not str(value).startswith("env:"):
        return _SECRET[name]
    if isinstance(value, list):
        if not all(isinstance(item, dict) for item in value):
            return ", ".join(map(str, value))
        return "; ".join(_target(item) for item in value)
    return str(value)


def _value(value: Any) -> str:
    """A condition of a target."""
    if isinstance(value, list):
        return " or ".join(map(str, value))
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)


def _target(item: dict[str, Any]) -> str:
    usual = {"weight": 1, "position": 0}
    rest = [f"{k} {item[k]}" for k, default in usual.items() if item.get(k, default) != default]
    rest += [f"{k} {_value(v)}" for k, v in item.items() if k not in (*usual, "backend", "model")]
    shown_lines = f" ({', '.join(rest)})" if rest else ""
    return f"{item.get('backend')}: {item.get('model')}{shown_lines}"
