"""Models that may be used on a budget and whose price is not known: no budget counts them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from bridge.configuration import kept_snapshot
from bridge.configuration.snapshot import Snapshot
from bridge.keys.limits import AccountKind, AccountRef
from bridge.ledger import spending
from bridge.models import ApiKey, PersonLimits, Team, UsageHour
from bridge.models.people.limit_columns import LimitColumns
from bridge.routing import globs

RECENTLY = timedelta(days=7)
SHOWN = 3

Place = tuple[str, str]
"""A backend and a model, at its name there."""


@dataclass(frozen=True, slots=True)
class BudgetHolder:
    """A key, a person or a team, with its row of limits."""

    ref: AccountRef
    name: str
    row: LimitColumns

    @property
    def shown(self) -> str:
        """k7, person ann, team blue."""
        return self.name if self.ref.kind is AccountKind.KEY else f"{self.ref.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class UnpricedModels:
    """What one account's budget cannot count. `is_used`: some of it is on record of these days."""

    holder: BudgetHolder
    models: tuple[str, ...]
    is_used: bool = False

    @property
    def shown(self) -> tuple[str, ...]:
        """Those that are named."""
        return self.models[:SHOWN]

    @property
    def text(self) -> str:
        names = ", ".join(self.shown)
        if len(self.models) > SHOWN:
            names += f" and {len(self.models) - SHOWN} more"
        holder = self.holder
        if holder.row.limits().refuses_unpriced:
            owner = f"{holder.ref.kind.capitalize()} {holder.name}"
            return f"{owner} is refused {names}: no price is known, and it has a budget"
        return f"Budget of {holder.shown} does not count {names}: no price is known"


def holder_of(row: ApiKey | PersonLimits | Team) -> BudgetHolder:
    """The account that a row of limits is of."""
    if isinstance(row, PersonLimits):
        return BudgetHolder(AccountRef(AccountKind.PERSON, row.user_id), row.username, row)
    kind = AccountKind.TEAM if isinstance(row, Team) else AccountKind.KEY
    return BudgetHolder(AccountRef(kind, row.pk), row.name, row)


def of_row(row: ApiKey | PersonLimits | Team) -> UnpricedModels | None:
    """What the budget of this account cannot count; None for nothing."""
    if not row.has_budget:
        return None
    return next(of_rows([row], kept_snapshot.current()), None)


def of_rows(
    rows: Iterable[ApiKey | PersonLimits | Team], built: Snapshot
) -> Iterator[UnpricedModels]:
    """Those of these accounts whose budget cannot count everything that they may use, by the lists
    of backends and by the aliases, or have used in these days. A query for each kind of account
    with a budget."""
    limited = [holder_of(row) for row in rows if row.has_budget]
    if not limited:
        return
    known = [pair for pair in _listed(built) if not _is_priced(built, pair[1])]
    used = _used(limited, built)
    for holder in limited:
        found = {place[1] for name, place in known if _may_use(holder.row, name)}
        of_these_days = used.get(holder.ref, set())
        found |= of_these_days
        if found:
            yield UnpricedModels(holder, tuple(sorted(found)), bool(of_these_days))


def _listed(built: Snapshot) -> Iterator[tuple[str, Place]]:
    """Names of clients, and where they lead."""
    for backend in built.routes.backends:
        for model in backend.models or ():
            yield model, (backend.name, model)
    for alias in built.routes.aliases:
        for choice in alias.choices:
            yield alias.pattern, (choice.backend, choice.model)


def _used(holders: Sequence[BudgetHolder], built: Snapshot) -> dict[AccountRef, set[str]]:
    found: dict[AccountRef, set[str]] = {}
    for kind, column in spending.COLUMNS.items():
        of_kind = [holder.ref.id for holder in holders if holder.ref.kind is kind]
        if not of_kind:
            continue
        hours = UsageHour.objects.filter(
            **{f"{column}__in": of_kind}, hour__gte=timezone.now() - RECENTLY, unpriced__gt=0
        )
        for id, *place in hours.order_by().values_list(column, "backend", "model").distinct():
            if not _is_priced(built, (place[0], place[1])):
                found.setdefault(AccountRef(kind, id), set()).add(place[1])
    return found


def _may_use(row: LimitColumns, name: str) -> bool:
    return not row.patterns or globs.matches_any(row.patterns, name)


def _is_priced(built: Snapshot, place: Place) -> bool:
    backend, model = place
    known = next((b for b in built.routes.backends if b.name == backend), None)
    if known is None or known.is_demo or known.prefers_own_cost:
        return True  # nothing is served from there, or it says itself what it costs
    return built.prices.rates(backend, model) is not None
