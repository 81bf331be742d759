"""Sums by whatever table are those of the rows: over time zones, late rows, recomputed costs and
rows that are gone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.db.models import Q

from bridge.configuration.snapshot import current_prices
from bridge.ledger import writer
from bridge.ledger.audit import audit
from bridge.ledger.record import CallVerdict, Record
from bridge.ledger.repricing.applying import Repricer
from bridge.ledger.repricing.costs import CostReader
from bridge.ledger.repricing.scope import RepricingScope
from bridge.ledger.retention.erasing import erase
from bridge.ledger.rollups import COLUMNS, added, payer
from bridge.models import Price, UsageRecord
from bridge.translation.safeguards import FLAGGED
from dashboard.queries import hours
from dashboard.queries.sums import closed_days, tables
from dashboard.usage import periods
from dashboard.usage.periods import Range
from dashboard.usage.totals import TOKENS

NOW = datetime(2025, 3, 19, 14, 25, tzinfo=UTC)
ZONES = [ZoneInfo(name) for name in ("UTC", "Asia/Kolkata", "America/Los_Angeles", "Asia/Tokyo")]
SUMMED = (
    "requests",
    "refused",
    *TOKENS,
    "cost_nano_usd",
    "unpriced",
    "calls_flagged",
    "duration_ms",
)
WAYS: list[tuple[str, ...]] = [
    (),
    ("model",),
    ("backend",),
    ("backend", "model"),
    ("request_class", "model"),
    ("key_id", "fingerprint"),
    ("key_id", "fingerprint", "model"),
    ("key_id", "request_class"),
    ("person_id",),
    ("team_id",),
]


def records(seed: int, count: int) -> list[Record]:
    """Of forty days, in the order in which they are entered: many come late."""
    chance = random.Random(seed)
    return [_record(chance, number) for number in range(count)]


def _record(chance: random.Random, number: int) -> Record:
    at = NOW - timedelta(seconds=chance.uniform(0, 40 * 86400))
    key = chance.choice((0, 1, 2, 3))
    record = Record(
        f"req_{number}",
        key_id=key,
        fingerprint="" if key else chance.choice(("", "ab12")),
        key=f"key {key}",
        person_id=key % 2,
        person="ann" if key % 2 else "",
        team_id=key // 2,
        request_class=chance.choice(("main", "subagent", "", "judge", "of tomorrow")),
        backend=chance.choice(("a", "b")),
        model=chance.choice(("m1", "m2")),
        status=chance.choice((200, 200, 200, 400, 401, 499, 529)),
        attempts=1,
        input_tokens=chance.randrange(100),
        output_tokens=chance.randrange(100),
        cost_nano_usd=chance.choice((None, chance.randrange(10**6))),
        prompt_bytes=chance.randrange(3),
        first_token_after=chance.uniform(0, 3),
        seconds=4.0,
        estimated=False,
    )
    record.started_at = at.timestamp()
    if chance.random() < 0.1:
        record.verdicts = [CallVerdict("t1", "Bash", FLAGGED, ms=7)]
    return record


@pytest.fixture
def rows(db: None, zone: ZoneInfo) -> list[Any]:
    """What was entered, as rows, when some were given another cost and the oldest were erased."""
    made = records(len(str(zone)), 250)
    for start in range(0, len(made), 70):
        writer.enter(made[start : start + 70])
    Price.objects.create(model="m1", input_per_mtok=Decimal(3), output_per_mtok=Decimal(9))
    scope = RepricingScope(NOW - timedelta(days=20), NOW.replace(minute=0))
    Repricer(scope, CostReader(current_prices()), pause=lambda _: None).run()
    found = [*UsageRecord.objects.order_by("time").values_list(*COLUMNS, named=True)]
    erase(NOW - timedelta(days=15), limit=40)
    assert UsageRecord.objects.count() == len(found) - 40
    return found


def spans(zone: ZoneInfo) -> Iterator[Range]:
    for name in ("24h", "7d", "30d", "yesterday", "month"):
        yield periods.read({"range": name}, zone, NOW)
    for asked in (
        {"from": "2025-03-01T05:00", "to": "2025-03-04T21:00"},
        {"from": "2025-03-05", "to": "2025-03-05"},
        {"from": "2025-03-18T22:00"},
        {"from": "2025-03-10T23:00", "to": "2025-03-11T01:00"},
    ):
        yield periods.read(asked, zone, NOW)


def of_rows(rows: list[Any], by: tuple[str, ...], start: datetime, end: datetime) -> Any:
    """Group -> sums, added up row by row."""
    found: dict[Any, dict[str, int]] = {}
    for row in rows:
        if start <= row.time < end:
            row_sums = added(row)
            sums = found.setdefault(tuple(_value(row, name) for name in by), {})
            for name in SUMMED:
                sums[name] = sums.get(name, 0) + getattr(row_sums, name)
    return found


def _value(row: Any, name: str) -> Any:
    if name in ("key_id", "fingerprint"):
        return payer(row)[("key_id", "fingerprint").index(name)]
    if name == "request_class":
        return "other" if row.request_class == "of tomorrow" else row.request_class
    return getattr(row, name)


def nonzero(sums: Any) -> Any:
    return {group: dict(each) for group, each in sums.items() if each and each["requests"]}


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_sums_by_whatever_table_are_those_of_the_rows(rows: list[Any], zone: ZoneInfo) -> None:
    for span in spans(zone):
        for by in WAYS:
            for sliced in (False, True):
                told = hours.sums(span, by, SUMMED, sliced=sliced)
                case = span.asked, by, sliced
                wanted = of_rows(rows, by, span.start, span.end)
                assert nonzero({g: s.total.sums for g, s in told.items()}) == wanted, case
                whole = of_rows(rows, by, span.start, span.whole_until)
                assert nonzero({g: s.whole.sums for g, s in told.items()}) == whole, case
                before = of_rows(rows, by, *span.before) if span.before else {}
                assert nonzero({g: s.before.sums for g, s in told.items()}) == before, case
            if by:
                plain = {group: use.amounts for group, use in hours.used(span, by, SUMMED).items()}
                assert plain == {g: tuple(s[n] for n in SUMMED) for g, s in wanted.items()}, case


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_bars_are_those_of_the_rows(rows: list[Any], zone: ZoneInfo) -> None:
    for span in spans(zone):
        for by in WAYS[:4]:
            told = hours.sums(span, by, SUMMED)
            for number, slot in enumerate(span.slots()):
                wanted = of_rows(rows, by, slot.start, slot.end)
                found = {group: each.slots[number].sums for group, each in told.items()}
                assert nonzero(found) == wanted, (span.asked, by, slot.title)


@pytest.mark.parametrize("zone", ZONES[1:2], ids=str)
def test_sums_of_hours_alone_are_the_same(
    rows: list[Any], zone: ZoneInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Conditions, columns of the period before, and the last hour."""
    chosen: list[Q | None] = [None, Q(key_id=2), Q(model="m1"), Q(team_id=1) & Q(backend="a")]
    questions = [(span, by, only) for span in spans(zone) for by in WAYS for only in chosen]

    def told() -> list[Any]:
        return [
            hours.sums(span, by, SUMMED, only, compared=TOKENS, sliced=False)
            for span, by, only in questions
        ]

    by_days = told()
    monkeypatch.setattr(tables, "DAYS", ())
    monkeypatch.setattr(tables, "HOURS", tables.HOURS[-1:])
    assert told() == by_days


@pytest.mark.parametrize("zone", ZONES, ids=str)
def test_ledger_adds_up(rows: list[Any]) -> None:
    assert audit().differences == []


# --- what is remembered ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_a_remembered_day_is_read_again_when_something_came_late() -> None:
    closed_days.REMEMBERED.forget()
    now = datetime.now(UTC)
    late = (now - timedelta(days=3)).timestamp()
    span = periods.read({"range": "30d"}, ZONES[0], now)

    def requests() -> int:
        found = hours.sums(span, ("model",), compared=False, sliced=False)
        return sum(each.total.requests for each in found.values())

    def entered(number: int) -> Record:
        return Record(f"req_{number}", model="m", started_at=late)

    writer.enter([entered(1)])
    assert requests() == 1
    with connection.execute_wrapper(_no_days):
        assert requests() == 1, "it is remembered"
    writer.enter([entered(2)])
    assert requests() == 2
    with transaction.atomic():
        writer.enter([entered(3)])
        assert requests() == 3
        transaction.set_rollback(True)
    assert requests() == 2


def _no_days(execute: Any, sql: str, *rest: Any) -> Any:
    assert "modelday" not in sql
    return execute(sql, *rest)
