"""Names that filters of requests can be chosen from, and what a visitor saved of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.db.models import CharField, F, QuerySet, TextField, Value
from django.db.models.functions import Cast

from bridge.models import DiscoveredModel, ModelAlias, SavedView, Team

MOST_NAMES = 500
"""Of each kind; others can be typed."""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """`query`: the parameters of an address of the list of requests."""

    pk: int
    name: str
    query: str


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Models and aliases by name, people and teams by number, the visitor's saved views."""

    models: tuple[str, ...]
    aliases: tuple[str, ...]
    people: Mapping[int, str]
    teams: Mapping[int, str]
    views: tuple[SavedQuery, ...]


def read(visitor: int) -> KnownNames:
    """`visitor`: the number of a user. One query."""
    kinds = {
        "model": _rows("model", DiscoveredModel.objects.filter(listed=True), "name"),
        "alias": _rows("alias", ModelAlias.objects.all(), "pattern"),
        "person": _rows("person", User.objects.all(), "username"),
        "team": _rows("team", Team.objects.all(), "name"),
        "view": _rows("view", SavedView.objects.filter(user_id=visitor), "name", F("query")),
    }
    first, *others = kinds.values()
    found: dict[str, list[tuple[int, str, str]]] = {kind: [] for kind in kinds}
    for kind, pk, name, text in first.union(*others, all=True):
        found[kind].append((pk, name, text))
    return KnownNames(
        tuple(sorted({name for _, name, _ in found["model"]})[:MOST_NAMES]),
        tuple(sorted(name for _, name, _ in found["alias"])[:MOST_NAMES]),
        {pk: name for pk, name, _ in found["person"]},
        {pk: name for pk, name, _ in found["team"]},
        tuple(SavedQuery(*row) for row in sorted(found["view"], key=lambda row: row[1].casefold())),
    )


def _rows(kind: str, rows: QuerySet[Any], name: str, text: F | None = None) -> QuerySet[Any, Any]:
    found: QuerySet[Any, Any] = (
        rows.order_by()
        .annotate(
            _kind=Value(kind, output_field=CharField()),
            _name=Cast(name, TextField()),
            _text=Cast(text or Value(""), TextField()),
        )
        .values_list("_kind", "pk", "_name", "_text")
    )
    return found
