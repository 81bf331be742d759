"""What tests of the history ask of it."""

from __future__ import annotations

from typing import Any

from bridge.models import Change
from tests.bridge.rows import URL

MAIN = {"name": "main", "url": URL}
"""The document of the usual backend."""


def forget() -> None:
    Change.objects.all().delete()


def entries() -> list[tuple[str, str, Any, Any]]:
    """(kind, label, before, after) of each entry, the oldest first."""
    return [(c.kind, c.label, c.before, c.after) for c in Change.objects.order_by("pk")]


def only() -> Change:
    (change,) = Change.objects.all()
    return change


def fast(*targets: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The document of the alias `fast`."""
    return {"pattern": "fast", "targets": list(targets), **more}


def target(model: str, backend: str = "main", **more: Any) -> dict[str, Any]:
    return {"backend": backend, "model": model, **more}
