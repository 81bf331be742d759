"""Several documents of managed settings as one, the later the stronger. Pure.

Objects are merged member by member, at every level. Lists that forbid or ask, and hooks, are put
together, so that what one team forbids no other lifts. Everything else is taken from the last that
has it, lists included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.client_settings.canonical import canonical

JOINED = frozenset(
    {
        "blockedMarketplaces",
        "deniedMcpServers",
        "deniedModels",
        "disabledMcpjsonServers",
        "permissions.ask",
        "permissions.deny",
    }
)
"""Lists that are put together, by their path."""
JOINED_BELOW = "hooks."
"""All lists right below this: the hooks of an event."""


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One document; the given ones stay as they are."""
    whole: dict[str, Any] = {}
    for document in documents:
        whole = _merged(whole, document, "")
    return whole


def _merged(weak: Mapping[str, Any], strong: Mapping[str, Any], path: str) -> dict[str, Any]:
    return {
        **weak,
        **{name: _one(weak.get(name), each, path + name) for name, each in strong.items()},
    }


def _one(weak: Any, strong: Any, path: str) -> Any:
    if isinstance(weak, dict) and isinstance(strong, dict):
        return _merged(weak, strong, f"{path}.")
    if isinstance(weak, list) and isinstance(strong, list) and _is_joined(path):
        return _joined(weak, strong)
    return strong


def _is_joined(path: str) -> bool:
    return path in JOINED or (path.startswith(JOINED_BELOW) and path.count(".") == 1)


def _joined(weak: list[Any], strong: list[Any]) -> list[Any]:
    """Each once, in the order of their first places."""
    return list({canonical(each): each for each in (*weak, *strong)}.values())
