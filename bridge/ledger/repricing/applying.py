"""Giving requests another cost: their rows, the sums of their hours and sessions, the history.

A few rows at a time, each few in one transaction with their sums and with the entry of the
history. So it may end at any point, run beside gateways that write, and be done again: what has its
cost is not touched twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q

from bridge.keys.limits import billionths
from bridge.ledger import rollups, upsert
from bridge.ledger.pricing import usd
from bridge.ledger.repricing.costs import CostReader
from bridge.ledger.repricing.scope import RepricingScope
from bridge.ledger.sums import kept as kept_sums
from bridge.ledger.writer import note_late
from bridge.models import Change, UsageHour, UsageRecord, UsageSession, acting
from bridge.models.ledger_marks import COSTS

BATCH_ROWS = 500
PAUSE_SECONDS = 0.02
"""Between two batches: SQLite has one writer at a time, and the others look again at moments."""
TRIES = 3
"""Of one batch, where another writer holds what it needs."""
MONEY = ("cost_nano_usd", "unpriced")
EVENT = "recomputed"
_COLUMNS = ("id", *rollups.COLUMNS, "reported")


@dataclass(slots=True)
class Repriced:
    """What was done so far. `is_whole`: nothing is left of it."""

    requests: int = 0
    before: int = 0
    after: int = 0
    is_whole: bool = False


class Repricer:
    """Does what `preview` shows. One act of the history, `entry`, however many batches it takes.

    `entry`: the one of an earlier part of the same work, which goes on.
    """

    def __init__(
        self,
        scope: RepricingScope,
        costs: CostReader,
        entry: Change | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.entry, self.done = entry, _done_in(entry)
        self._scope, self._costs, self._pause = scope, costs, pause
        self._models = self._priced_models()
        self._behind: tuple[datetime, int] | None = None

    def run(self, most_batches: int | None = None) -> Repriced:
        """Reprice all, or so many batches. Raises django.db.Error; what was done stays done."""
        count = 0
        while not self.done.is_whole and count != most_batches:
            if count:
                self._pause(PAUSE_SECONDS)
            self._batch()
            count += 1
        return self.done

    def _priced_models(self) -> list[str]:
        places = self._scope.hours().exclude(model="").values_list("backend", "model").distinct()
        known = {model for backend, model in places if self._costs.knows(backend, model)}
        return sorted(filter(self._scope.takes, known))

    def _batch(self) -> None:
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                self._reprice_some()
                return
            except OperationalError:
                if not tries_left or connection.in_atomic_block:
                    raise
                self._pause(PAUSE_SECONDS)

    def _reprice_some(self) -> None:
        with transaction.atomic():
            rows = self._next_rows()
            new = [row._replace(cost_nano_usd=self._costs.cost(row)) for row in rows]
            pairs = [
                (old, row)
                for old, row in zip(rows, new, strict=True)
                if old.cost_nano_usd != row.cost_nano_usd
            ]
            entry, done = self.entry, self.done
            if pairs:
                _write(pairs)
                done = _added(done, pairs)
                entry = self._note(done)
        self.entry, self.done = entry, done
        self.done.is_whole = len(rows) < BATCH_ROWS
        if rows:
            self._behind = rows[-1].time, rows[-1].id

    def _next_rows(self) -> list[Any]:
        rows = self._scope.rows(self._models)
        if self._behind is not None:
            at, number = self._behind
            rows = rows.filter(Q(time__gt=at) | Q(time=at, pk__gt=number), time__gte=at)
        return list(rows.select_for_update().values_list(*_COLUMNS, named=True)[:BATCH_ROWS])

    def _note(self, done: Repriced) -> Change:
        """The entry of the history says what was done, in the same transaction."""
        details = {
            "from": self._scope.since.isoformat(),
            "to": self._scope.until.isoformat(),
            "requests": str(done.requests),
            "before": _dollars(done.before),
            "after": _dollars(done.after),
        }
        if self.entry is not None:
            Change.objects.filter(pk=self.entry.pk).update(after=details)
            self.entry.after = details
            return self.entry
        whoever = acting.now()
        return Change.objects.create(
            actor=whoever.actor()[:150],
            address=whoever.address(),
            kind=COSTS,
            object_id=0,
            label=self._scope.words[:300],
            event=EVENT,
            after=details,
        )


def entry_of(scope: RepricingScope, number: int) -> Change | None:
    """The entry of an earlier part of the same work, by the same actor."""
    found: Change | None = Change.objects.filter(
        pk=number, kind=COSTS, actor=acting.now().actor()[:150], label=scope.words[:300]
    ).first()
    span = scope.since.isoformat(), scope.until.isoformat()
    details = (found.after if found is not None else None) or {}
    return found if (details.get("from"), details.get("to")) == span else None


def _done_in(entry: Change | None) -> Repriced:
    if entry is None:
        return Repriced()
    after = entry.after or {}
    before, then = (billionths(Decimal(after[name].split()[0])) for name in ("before", "after"))
    return Repriced(int(after["requests"]), before, then)


def _added(done: Repriced, pairs: Sequence[tuple[Any, Any]]) -> Repriced:
    return Repriced(
        done.requests + len(pairs),
        done.before + sum(old.cost_nano_usd or 0 for old, _ in pairs),
        done.after + sum(new.cost_nano_usd or 0 for _, new in pairs),
    )


def _dollars(nano: int) -> str:
    return f"{usd(nano).normalize():f} USD"


# --- one transaction ----------------------------------------------------------------------------


def _write(pairs: Sequence[tuple[Any, Any]]) -> None:
    """The rows, and what that adds to the sums of their hours and sessions. In the order of tables
    and rows in which the ledger's writer has them, so that neither waits for the other in turn."""
    old, new = [list(rows) for rows in zip(*pairs, strict=True)]
    costs = [{"id": row.id, "cost_nano_usd": row.cost_nano_usd} for row in new]
    upsert.update(UsageRecord, ("id",), {"cost_nano_usd": upsert.PUT}, costs)
    rules = dict.fromkeys(MONEY, upsert.ADD_TO)
    hours = _more(_hour_money(old), _hour_money(new), UsageHour.UNIQUE)
    upsert.update(UsageHour, UsageHour.UNIQUE, rules, hours)
    kept_sums.change((_hour_group(row), {name: row[name] for name in MONEY}) for row in hours)
    sessions = _more(_session_money(old), _session_money(new), UsageSession.UNIQUE)
    upsert.update(UsageSession, UsageSession.UNIQUE, rules, sessions)
    note_late(new)


def _hour_group(row: upsert.Row) -> rollups.Group:
    return tuple(row[name] for name in UsageHour.UNIQUE)


Money = dict[rollups.Group, rollups.Amounts]


def _hour_money(rows: Sequence[Any]) -> Money:
    return {group: hour.amounts for group, hour in rollups.hours(rows).items()}


def _session_money(rows: Sequence[Any]) -> Money:
    """By the columns of a session: its models are told apart only where they are listed."""
    found: Money = {}
    for group, session in rollups.sessions(rows).items():
        sums = found.setdefault(group[:-1], dict.fromkeys(MONEY, 0))
        for name in MONEY:
            sums[name] += session.amounts[name]
    return found


def _more(
    old: Mapping[rollups.Group, rollups.Amounts],
    new: Mapping[rollups.Group, rollups.Amounts],
    unique: Sequence[str],
) -> list[upsert.Row]:
    return [
        {
            **dict(zip(unique, group, strict=True)),
            **{name: new[group][name] - old[group][name] for name in MONEY},
        }
        for group in old
    ]
