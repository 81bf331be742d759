"""The ledger's totals as several processes see them: the same, and never less than before."""

import asyncio
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError, connection

from bridge.attempts import ANSWERED, SERVER_ERROR, AttemptRecord
from bridge.ledger import totals, upsert, writer
from bridge.ledger.record import Record
from bridge.ledger.totals import (
    ATTEMPTS_BY_BACKEND,
    BY_ACCOUNT,
    OTHERS,
    SUMMED,
    Group,
    Grouping,
    Total,
    Totals,
    TotalsReader,
    bounded,
)
from bridge.ledger.writer import enter
from bridge.models import AttemptHour, LateHours, UsageHour

NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MAIN = ("main", "vendor/large", "claude-*")


class Now(datetime):
    """The clock of those who write."""

    moment = NOON

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return cls.moment


@pytest.fixture(autouse=True)
def writers_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Now]]:
    monkeypatch.setattr(writer, "datetime", Now)
    monkeypatch.setattr(Now, "moment", NOON)
    yield Now


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, datetime]]:
    """Which hours were added up, query by query."""
    asked: list[dict[str, datetime]] = []
    real = totals._sums

    def noted(grouping: Grouping, **hours: datetime) -> dict[Group, Total]:
        asked.append(hours)
        return real(grouping, **hours)

    monkeypatch.setattr(totals, "_sums", noted)
    return asked


numbers = iter(range(1_000_000))


def serve(at: datetime, count: int = 1, **fields: Any) -> None:
    """Requests of that moment become rows."""
    told: dict[str, Any] = {
        "status": 200,
        "backend": "main",
        "model": "vendor/large",
        "alias": "claude-*",
    }
    told |= {"input_tokens": 10, "started_at": at.timestamp(), "seconds": 1.2} | fields
    enter([Record(f"req_{next(numbers)}", **told) for _ in range(count)])


def requests(found: Totals) -> int:
    return sum(total["requests"] for total in found.values())


# --- sums ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_everything_is_summed_by_backend_model_and_alias() -> None:
    """docs/reference/metrics.md, Totals: over all hours and all keys."""
    serve(NOON, 2, key_id=1)
    serve(NOON - 400 * 24 * HOUR, key_id=2, status=500)
    serve(NOON, model="vendor/small", cost_nano_usd=7)
    found = TotalsReader().read(NOON)
    assert set(found) == {MAIN, ("main", "vendor/small", "claude-*")}
    large = found[MAIN]
    assert (large["requests"], large["errors"], large["input_tokens"]) == (3, 1, 30)
    assert large.histogram(UsageHour.DURATION)[9] == 2
    assert found["main", "vendor/small", "claude-*"]["cost_nano_usd"] == 7
    assert all(type(number) is int for total in found.values() for number in total.amounts)


@pytest.mark.django_db
def test_attempts_are_summed_by_backend_also_those_of_requests_that_fell_back() -> None:
    """docs/reference/metrics.md: each call of a backend counts at that backend."""
    broken = AttemptRecord("spare", "x", SERVER_ERROR, 500, fell_back=True)
    answered = AttemptRecord("main", "vendor/large", ANSWERED, 200, headers_ms=60, took_ms=900)
    serve(NOON, 3, attempts=2, attempt_list=[broken, answered])
    serve(NOON - 400 * 24 * HOUR, attempts=1, headers_after=0.06)
    found = TotalsReader(ATTEMPTS_BY_BACKEND).read(NOON)
    spare, main = found["spare",], found["main",]
    assert (spare["asked"], spare[SERVER_ERROR], spare["fell_back"]) == (3, 3, 3)
    assert (main["asked"], main[ANSWERED], main["headers_ms"]) == (4, 4, 240)
    assert main.histogram(AttemptHour.HEADERS)[1] == 4


@pytest.mark.django_db
def test_nothing_is_summed_before_the_first_request() -> None:
    assert TotalsReader().read(NOON) == {}


@pytest.mark.django_db
def test_accounts_are_summed_by_their_names() -> None:
    """docs/reference/metrics.md, Accounts: of issued keys, people and teams, and of nobody else."""
    whose = {"key_id": 7, "key": "ci", "person_id": 3, "person": "ann", "team_id": 2}
    serve(NOON, 2, **whose, team="blue")
    serve(NOON - 30 * HOUR, 1, **whose | {"key_id": 8, "key": "laptop"}, team="blue", model="b")
    serve(NOON, 4, fingerprint="f0", key="key-f0")
    found = {
        kind: {name: total["requests"] for (name,), total in TotalsReader(by).read(NOON).items()}
        for kind, by in BY_ACCOUNT.items()
    }
    assert found == {"key": {"ci": 2, "laptop": 1}, "person": {"ann": 3}, "team": {"blue": 3}}


@pytest.mark.django_db
def test_hours_that_are_over_are_read_once(spans: list[dict[str, datetime]]) -> None:
    """Ours: a scrape reads the last hours, however many there are."""
    serve(NOON - 30 * HOUR)
    reader = TotalsReader()
    reader.read(NOON)
    edge = NOON.replace(minute=0) - 2 * HOUR
    assert spans == [{"hour__lt": edge}, {"hour__gte": edge}]
    spans.clear()
    serve(NOON, 3)
    assert requests(reader.read(NOON + timedelta(minutes=20))) == 4
    assert spans == [{"hour__gte": edge}]


@pytest.mark.django_db
def test_hour_that_has_gone_by_is_added_to_those_that_are_over(
    spans: list[dict[str, datetime]], writers_clock: type[Now]
) -> None:
    reader = TotalsReader()
    edge = NOON.replace(minute=0) - 2 * HOUR
    for passed in range(6):
        writers_clock.moment = NOON + passed * HOUR
        serve(writers_clock.moment)
        assert requests(reader.read(writers_clock.moment)) == passed + 1
    assert spans[2:4] == [
        {"hour__gte": edge, "hour__lt": edge + HOUR},
        {"hour__gte": edge + HOUR},
    ]
    assert sum("hour__lt" in span and "hour__gte" not in span for span in spans) == 1


# --- several processes ---------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("ago", [0, 1, 2, 3, 4, 24 * 40])
def test_what_comes_late_is_seen_by_all_processes_at_once(ago: int) -> None:
    """Ours: a counter that jumps between two scrapes looks like a restart."""
    first, second = TotalsReader(), TotalsReader()
    for reader in (first, second):
        reader.read(NOON)
    for served in range(1, 4):
        serve(NOON - ago * HOUR)
        assert [requests(reader.read(NOON)) for reader in (first, second)] == [served, served]


@pytest.mark.django_db
def test_only_what_comes_late_is_noted() -> None:
    """Ours: so that all is added up anew only when it has to be."""
    for ago in (0, 1):
        serve(NOON - ago * HOUR)
    assert not LateHours.objects.exists()
    serve(NOON - 2 * HOUR)
    serve(NOON - 50 * HOUR)
    assert LateHours.objects.get().changes == 2


@pytest.mark.django_db
def test_note_stands_or_falls_with_the_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: one transaction, so no process keeps a sum that lacks what was noted."""

    def full(*_: object) -> None:
        raise OperationalError("disk full")

    reader = TotalsReader()
    reader.read(NOON)
    merge = upsert.merge
    refused = {LateHours: full}
    monkeypatch.setattr(
        upsert, "merge", lambda model, *rest: refused.get(model, merge)(model, *rest)
    )
    with pytest.raises(OperationalError):
        serve(NOON - 5 * HOUR)
    assert requests(reader.read(NOON)) == 0


@pytest.mark.django_db
@pytest.mark.parametrize("minutes", [-59, -29, 0, 31, 59])
def test_clocks_of_hosts_may_differ(writers_clock: type[Now], minutes: int) -> None:
    """Ours: by up to an hour."""
    reader = TotalsReader()
    for passed in range(5):
        now = NOON + passed * HOUR
        writers_clock.moment = now + timedelta(minutes=minutes)
        for ago in (0, 1, 2):
            before = requests(reader.read(now))
            serve(writers_clock.moment - ago * HOUR)
            assert requests(reader.read(now)) == before + 1


@pytest.mark.django_db
def test_clock_that_is_set_back_costs_one_more_look() -> None:
    reader = TotalsReader()
    serve(NOON)
    reader.read(NOON + 10 * HOUR)
    assert requests(reader.read(NOON)) == 1
    serve(NOON)
    assert requests(reader.read(NOON)) == 2


# --- too many groups -----------------------------------------------------------------------------


def made(count: int, start: int = 0) -> dict[Group, Total]:
    numbers = range(start, start + count)
    return {("main", f"m{n}", ""): Total(n, (1,) * len(SUMMED)) for n in numbers}


def test_first_groups_keep_their_names_and_nothing_is_lost() -> None:
    """Ours: a client that makes up names of models must not fill Prometheus."""
    found = bounded(made(30), most=20)
    assert len(found) == 21
    assert found[OTHERS, OTHERS, OTHERS]["requests"] == 10
    assert requests(found) == 30


def test_group_never_moves() -> None:
    """Ours: what moved would be missing from a counter."""
    before, after = bounded(made(25), most=20), bounded(made(60), most=20)
    for group, total in before.items():
        assert after[group]["requests"] >= total["requests"]
    assert bounded(made(15), most=20) == made(15)


@pytest.mark.django_db
def test_groups_are_known_by_the_order_in_which_they_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: what comes late is new, whatever its hour."""
    monkeypatch.setattr(bounded, "__defaults__", (2,))
    serve(NOON, model="first")
    serve(NOON, model="second")
    serve(NOON - 99 * HOUR, model="third")
    serve(NOON, model="second", count=4)
    found = TotalsReader().read(NOON)
    assert {group[1]: total["requests"] for group, total in found.items()} == {
        "first": 1,
        "second": 5,
        OTHERS: 1,
    }


# --- the database is away, or slow ----------------------------------------------------------------


def rename(table: str, to: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {to}")


async def test_database_that_is_away_is_said_once(
    transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    reader = TotalsReader()
    await database_sync_to_async(rename)("bridge_usagehour", "elsewhere")
    with caplog.at_level(logging.WARNING, "bridge.ledger.totals"):
        assert [await reader.current() for _ in range(3)] == [None] * 3
    await database_sync_to_async(rename)("elsewhere", "bridge_usagehour")
    assert await reader.current() == {}
    assert len(caplog.records) == 1


class Slow(TotalsReader):
    """Reads no sooner than it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.reads = 0

    def read(self, now: datetime) -> Totals:
        self.reads += 1
        assert self.may.wait(10)
        return {}


async def asked(reader: TotalsReader, times: int) -> Sequence[Totals | None]:
    return await asyncio.gather(*(reader.current() for _ in range(times)))


async def test_slow_database_is_asked_by_one_thread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: threads are few, and the way to the backends needs them too."""
    monkeypatch.setattr(totals, "READ_SECONDS", 0.05)
    reader = Slow()
    assert await asked(reader, 5) == [None] * 5
    assert await asked(reader, 5) == [None] * 5
    reader.may.set()
    monkeypatch.setattr(totals, "READ_SECONDS", 10.0)
    assert await reader.current() == {}
    assert reader.reads in (1, 2)
    assert await reader.current() == {}


async def test_end_of_the_process_does_not_wait_for_a_slow_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(totals, "READ_SECONDS", 0.05)
    reader = Slow()
    assert await reader.current() is None
    reader.close()
    reader.may.set()
    TotalsReader().close()
