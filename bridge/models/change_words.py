"""A change in words: what differs between two documents, or what happened, fit for eyes, with
moments by the clock of whoever reads them.

No key in any form stands there, sealed or hashed. What happened to an issued key is one line of
its own, in place of the members that say it; what became of a person's role is said in full.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.spans import exactly

DEFAULT = "-"
NAMED_FIELDS = 3
REVOKED = "revoked for good"
_SECRET = {
    "api_key": "a stored key",
    "webhook": "a stored address",
    "secret": "a stored secret",
}
_OF_ROWS = frozenset({"keys", "admin_tokens"})
"""Kinds whose rows are credentials."""
NO_ROLE = "none"
_OF_A_KEY = frozenset({"last_four", "minted_at", "former_four", "former_until", "revoked_at"})

_MOMENTS = frozenset({"expires_at", "sample_until", "from", "to"})
"""Members that are moments, as ISO 8601 has them."""

_EVENT_ORDER = ("from", "to", "requests", "before", "after")
"""How details of an event are read: PostgreSQL keeps the members of JSON in an order of its own."""
_EVENT_NAMES = frozenset(_EVENT_ORDER)

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
    if kind == "users":
        return [line for line in shown_lines if line[1] != line[2]]
    if kind not in _OF_ROWS:
        return shown_lines
    of_the_key = _of_a_key(before, after)
    covered = _OF_A_KEY | ({"enabled"} if of_the_key and of_the_key[2] == REVOKED else set())
    rest = [line for line in shown_lines if line[0] not in covered]
    return [*([of_the_key] if of_the_key else []), *rest]


def summary(kind: str, before: dict[str, Any], after: dict[str, Any]) -> str:
    """The differences of a changed row in a few words: names of fields; rotations, roles and
    members in full."""
    events, names = list[str](), list[str]()
    for name, old, new in lines(kind, before, after):
        words = _IN_FULL.get((kind, name))
        if words is None:
            names.append(name)
        else:
            events.append(words(old, new))
    more = len(names) - NAMED_FIELDS
    fields = ", ".join(names[:NAMED_FIELDS]) + (f" and {more} more" if more > 0 else "")
    return "; ".join(filter(None, (*events, fields)))


def of_whole(kind: str, document: dict[str, Any]) -> str:
    """What counts of a row that was added or deleted; "" where its name says enough."""
    role = document.get("role") if kind in ("users", "admin_tokens", "group_mappings") else ""
    return f"role {role}" if role else ""


def of_event(details: dict[str, Any]) -> str:
    """What an event came with: ``with a password``."""
    moments = {name: _moment(str(details[name])) for name in _MOMENTS if name in details}
    known = sorted(details, key=_EVENT_ORDER.index) if set(details) <= _EVENT_NAMES else [*details]
    return ", ".join(f"{name} {(details | moments)[name]}" for name in known)


def _event(old: str, new: str) -> str:
    return new if new == REVOKED else f"rotated, {old} -> {new}"


def _role(old: str, new: str) -> str:
    return f"role {_or_none(old)} -> {_or_none(new)}"


def _or_none(role: str) -> str:
    return NO_ROLE if role == DEFAULT else role


def _active(old: str, new: str) -> str:
    return "switched on" if new == "True" else "switched off"


def _members(old: str, new: str) -> str:
    """Who came and who went."""
    held, holds = (set() if text == DEFAULT else set(text.split(", ")) for text in (old, new))
    came = [f"{name} joined" for name in sorted(holds - held)]
    went = [f"{name} left" for name in sorted(held - holds)]
    more = len(came) + len(went) - NAMED_FIELDS
    shown = ", ".join([*came, *went][:NAMED_FIELDS])
    return f"{shown} and {more} more" if more > 0 else shown


_IN_FULL = {
    ("keys", "key"): _event,
    ("admin_tokens", "key"): _event,
    ("users", "role"): _role,
    ("users", "active"): _active,
    ("teams", "members"): _members,
}
"""(kind, member) -> its words, where the name of the member says too little."""


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
        at = datetime.fromisoformat(text)
        return exactly(at if at.tzinfo else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        return text


def _shown(name: str, value: Any) -> str:
    if value in (None, "", []):
        return DEFAULT
    if name in _SECRET and not str(value).startswith("env:"):
        return _SECRET[name]
    if name in _MOMENTS:
        return _moment(str(value))
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
