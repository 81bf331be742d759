"""Models that a key with a budget may use and whose price is not known: no budget counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from bridge.configuration import snapshot
from bridge.configuration.snapshot import Snapshot
from bridge.models import ApiKey, ConfigVersion, UsageHour
from bridge.routing import globs

RECENTLY = timedelta(days=7)
SHOWN = 3

Place = tuple[str, str]
"""A backend and a model, at its name there."""


@dataclass(frozen=True, slots=True)
class UnpricedModels:
    """What one key's budget cannot count."""

    key: ApiKey
    models: tuple[str, ...]

    @property
    def text(self) -> str:
        names = ", ".join(self.models[:SHOWN])
        if len(self.models) > SHOWN:
            names += f" and {len(self.models) - SHOWN} more"
        if self.key.limits().refuses_unpriced:
            return f"Key {self.key.name} is refused {names}: no price is known, and it has a budget"
        return f"Budget of {self.key.name} does not count {names}: no price is known"


def of_key(row: ApiKey) -> UnpricedModels | None:
    """What this key's budget cannot count; None for nothing."""
    return next(of_keys([row], snapshot.build(ConfigVersion.current())), None)


def of_keys(rows: Iterable[ApiKey], built: Snapshot) -> Iterator[UnpricedModels]:
    """Those of these keys whose budget cannot count everything that they may use, by the lists of
    backends and by the aliases, or have used in these days. One query, none without budgets."""
    limited = [row for row in rows if row.has_budget]
    if not limited:
        return
    known = [pair for pair in _listed(built) if not _is_priced(built, pair[1])]
    used = _used(limited, built)
    for row in limited:
        found = {place[1] for name, place in known if _may_use(row, name)}
        found |= used.get(row.pk, set())
        if found:
            yield UnpricedModels(row, tuple(sorted(found)))


def _listed(built: Snapshot) -> Iterator[tuple[str, Place]]:
    """Names of clients, and where they lead."""
    for backend in built.routes.backends:
        for model in backend.models or ():
            yield model, (backend.name, model)
    for alias in built.routes.aliases:
        for choice in alias.choices:
            yield alias.pattern, (choice.backend, choice.model)


def _used(rows: list[ApiKey], built: Snapshot) -> dict[int, set[str]]:
    hours = UsageHour.objects.filter(
        key_id__in=[row.pk for row in rows],
        hour__gte=timezone.now() - RECENTLY,
        unpriced__gt=0,
    )
    found: dict[int, set[str]] = {}
    for key_id, *place in hours.order_by().values_list("key_id", "backend", "model").distinct():
        if not _is_priced(built, (place[0], place[1])):
            found.setdefault(key_id, set()).add(place[1])
    return found


def _may_use(row: ApiKey, name: str) -> bool:
    return not row.patterns or globs.matches_any(row.patterns, name)


def _is_priced(built: Snapshot, place: Place) -> bool:
    backend, model = place
    known = next((b for b in built.routes.backends if b.name == backend), None)
    if known is None or known.is_demo or known.prefers_own_cost:
        return True  # nothing is served from there, or it says itself what it costs
    return built.prices.rates(backend, model) is not None
