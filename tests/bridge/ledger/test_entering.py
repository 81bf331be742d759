"""One transaction of the ledger: a row for each request, counted once, and sums of the rows."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge import attempts
from bridge.attempts import AttemptRecord
from bridge.ledger import upsert, writer
from bridge.ledger.audit import audit
from bridge.ledger.record import Record
from bridge.ledger.retention import samples
from bridge.ledger.retention.erasing import erase, erase_some
from bridge.ledger.writer import enter
from bridge.models import (
    AttemptHour,
    SpoolPosition,
    UsageHorizon,
    UsageHour,
    UsageRecord,
    UsageSession,
)
from bridge.models.usage import SumColumns
from tests.fakes import synthetic

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def a_record(number: int = 1, **fields: Any) -> Record:
    told = {
        "request_id": f"req_{number}",
        "started_at": NOON.timestamp(),
        "status": 200,
        "key": "team",
        "key_id": 7,
        "backend": "main",
        "model": "vendor/large",
        "session": "s1",
        "input_tokens": 10,
        "output_tokens": 3,
        "cost_nano_usd": 100,
        "estimated": False,
        "seconds": 1.2,
    }
    return Record(**{**told, **fields})


def hour(**conditions: Any) -> UsageHour:
    row: UsageHour = UsageHour.objects.get(**conditions)
    return row


def test_request_becomes_a_row_and_counts_in_its_hour_and_session() -> None:
    """design, The ledger: rows and sums in one transaction."""
    assert enter([a_record(1), a_record(2, input_tokens=5, status=500)]) == 2
    assert UsageRecord.objects.count() == 2
    row, session = hour(), UsageSession.objects.get()
    assert (row.hour, row.key_id, row.key) == (NOON.replace(minute=0), 7, "team")
    for sums in (row, session):
        assert (sums.requests, sums.errors, sums.input_tokens) == (2, 1, 15)
        assert (sums.output_tokens, sums.cost_nano_usd) == (6, 200)
    assert (getattr(row, UsageHour.DURATION[9]), row.duration_ms) == (1, 1200)


def test_request_is_counted_once_however_often_it_is_entered() -> None:
    """design, The ledger: idempotent by request id."""
    first = a_record(1)
    assert enter([first, first]) == 1
    assert enter([first, a_record(2), a_record(1, input_tokens=99)]) == 1
    assert (UsageRecord.objects.count(), hour().requests, hour().input_tokens) == (2, 2, 20)
    assert UsageSession.objects.get().requests == 2


def test_batch_may_be_larger_than_one_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upsert, "MAX_PARAMETERS", 100)
    assert enter([a_record(number) for number in range(10)]) == 10
    assert hour().requests == 10


def test_nothing_is_changed_when_anything_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: rows, sums and the position stand or fall together."""
    enter([a_record(1)], ("1-a.jsonl", 100))
    monkeypatch.setattr(writer, "_session_rows", lambda rows: [{"session": "x"}])
    with pytest.raises(KeyError):
        enter([a_record(2)], ("1-a.jsonl", 200))
    assert (UsageRecord.objects.count(), hour().requests) == (1, 1)
    assert SpoolPosition.objects.get().position == 100


def test_position_is_noted_and_never_goes_back() -> None:
    enter([a_record(1)], ("1-a.jsonl", 100))
    enter([], ("1-a.jsonl", 200))
    enter([a_record(2)], ("1-a.jsonl", 150))
    enter([a_record(3)], ("2-b.jsonl", 50))
    assert dict(SpoolPosition.objects.values_list("name", "position")) == {
        "1-a.jsonl": 200,
        "2-b.jsonl": 50,
    }


@pytest.mark.parametrize(
    "other",
    [
        {"started_at": (NOON + timedelta(minutes=30)).timestamp()},
        {"key_id": 8},
        {"key_id": None, "fingerprint": "abc"},
        {"backend": "second"},
        {"model": "vendor/small"},
        {"alias": "claude-*"},
    ],
)
def test_groups_are_summed_apart(other: dict[str, Any]) -> None:
    enter([a_record(1), a_record(2, **other)])
    assert sorted(UsageHour.objects.values_list("requests", flat=True)) == [1, 1]


def test_renamed_key_stays_one_group_under_its_new_name() -> None:
    """field, case 129: keys by number and name."""
    enter([a_record(1)])
    enter([a_record(2, key="new name")])
    assert (hour().requests, hour().key) == (2, "new name")
    assert UsageSession.objects.get().key == "new name"
    names = UsageRecord.objects.order_by("pk").values_list("key", flat=True)
    assert list(names) == ["team", "new name"]


def test_session_remembers_its_times_models_and_longest_context() -> None:
    """design: what did this piece of work cost?"""

    def turn(number: int, minutes: int, **fields: Any) -> Record:
        started_at = (NOON + timedelta(minutes=minutes)).timestamp()
        return a_record(number, started_at=started_at, **fields)

    enter([turn(1, 5, cache_read_tokens=500), turn(2, 7, model="b"), turn(3, 3, model="")])
    enter([turn(4, 1, model="vendor/lar", client="cli/2"), turn(5, 2, cache_read_tokens=900)])
    session = UsageSession.objects.get()
    assert (session.first_at, session.last_at) == (
        NOON + timedelta(minutes=1),
        NOON + timedelta(minutes=7),
    )
    assert session.model_names == ["b", "vendor/lar", "vendor/large"]
    assert (session.requests, session.largest_context) == (5, 913)


def test_two_keys_that_name_a_session_alike_have_one_each() -> None:
    """Ours: the client chooses the name, so it must not open another's session."""
    enter([a_record(1), a_record(2, key_id=8), a_record(3, session="")])
    rows = UsageSession.objects.order_by("key_id").values_list("session", "key_id", "requests")
    assert list(rows) == [("s1", 7, 1), ("s1", 8, 1)]


def test_guessed_keys_leave_no_groups() -> None:
    """Ours: rows know them, sums do not."""
    for number in range(3):
        name = f"key-{number}"
        guess = a_record(number, status=401, key_id=None, fingerprint=str(number), key=name)
        enter([guess])
    assert (hour().requests, hour().key, hour().fingerprint) == (3, "", "")
    assert UsageRecord.objects.filter(fingerprint="2").count() == 1


# --- all that can happen, against sums that are made another way ----------------------------------

TOKENS = st.integers(0, 5000)
ATTEMPTS = st.builds(
    AttemptRecord,
    backend=st.sampled_from(["main", "spare"]),
    model=st.sampled_from(["a", "b"]),
    kind=st.sampled_from([*attempts.KINDS, "a kind of tomorrow"]),
    status=st.sampled_from([0, 200, 404, 500]),
    began_ms=st.integers(0, 400_000),
    headers_ms=st.none() | st.integers(0, 400_000),
    took_ms=st.integers(0, 400_000),
    fell_back=st.booleans(),
)
RECORDS = st.lists(
    st.builds(
        a_record,
        number=st.integers(0, 30),
        started_at=st.sampled_from([NOON.timestamp() + 1799.9 * n for n in range(4)]),
        status=st.sampled_from([200, 200, 200, 400, 401, 429, 499, 500, 529]),
        key_id=st.sampled_from([None, 7, 8]),
        fingerprint=st.sampled_from(["", "abc"]),
        model=st.sampled_from(["", "a", "b"]),
        alias=st.sampled_from(["", "claude-*"]),
        session=st.sampled_from(["", "s1", "s2"]),
        streamed=st.booleans(),
        input_tokens=TOKENS,
        output_tokens=TOKENS,
        cache_read_tokens=TOKENS,
        thinking_tokens=st.none() | TOKENS,
        cost_nano_usd=st.none() | TOKENS,
        estimated=st.booleans(),
        attempts=st.integers(0, 3),
        attempt_list=st.lists(ATTEMPTS, max_size=3),
        translated_after=st.none() | st.floats(0, 1),
        headers_after=st.none() | st.floats(0, 3),
        repaired=st.lists(st.just("arguments"), max_size=2),
        first_token_after=st.none() | st.floats(0, 5),
        seconds=st.floats(5, 400),
    ),
    max_size=12,
)


def expected(records: list[Record]) -> Counter[str]:
    """Plain totals over all groups."""
    total: Counter[str] = Counter()
    for record in records:
        good = record.status < 400
        total["requests"] += 1
        total["errors"] += record.status in (500, 529)
        total["refused"] += record.status in (400, 401, 429)
        total["abandoned"] += record.status == 499
        total["streamed"] += record.streamed
        for kind in ("input", "output", "cache_read", "thinking"):
            total[f"{kind}_tokens"] += getattr(record, f"{kind}_tokens") or 0
        total["cost_nano_usd"] += record.cost_nano_usd or 0
        used = record.input_tokens + record.output_tokens + record.cache_read_tokens > 0
        total["unpriced"] += used and record.cost_nano_usd is None
        total["estimated"] += used and record.estimated
        total["repaired"] += record.repaired != []
        total["retried"] += record.attempts in (2, 3)
        total["duration_ms"] += round(record.seconds * 1000) if good else 0
        if good and record.first_token_after is not None:
            total["first_tokens"] += 1
            total["first_token_ms"] += round(record.first_token_after * 1000)
    return +total


def expected_attempts(records: list[Record]) -> Counter[str]:
    """Plain totals of the attempts over all groups."""
    total: Counter[str] = Counter()
    for record in records:
        for attempt in record.attempts_made() if record.attempts else ():
            total["asked"] += 1
            total["fell_back"] += attempt.fell_back
            if attempt.kind in attempts.KINDS:
                total[attempt.kind] += 1
            if attempt.kind == attempts.ANSWERED:
                total["took_ms"] += attempt.took_ms
                total["headers_ms"] += attempt.headers_ms or 0
    return +total


def totals(rows: list[Any], names: tuple[str, ...]) -> Counter[str]:
    return +Counter({name: sum(getattr(row, name) for row in rows) for name in names})


@settings(
    max_examples=40,
    deadline=None,  # a busy machine takes its time
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(RECORDS, max_size=3))
def test_sums_are_those_of_the_rows_whatever_comes_in(batches: list[list[Record]]) -> None:
    """field, idea 14: a ledger that adds up. Requests may come twice, in any batch."""
    with transaction.atomic():
        once: dict[str, Record] = {}
        for batch in batches:
            assert enter(batch) == len({r.request_id for r in batch} - once.keys())
            once = {r.request_id: r for r in reversed(batch)} | once
        wanted = expected(list(once.values()))
        hours = list(UsageHour.objects.all())
        found = totals(hours, SumColumns.NAMES)
        assert {name: found[name] for name in (*wanted, "refused")} == {"refused": 0} | wanted
        answered = sum(record.status == 200 for record in once.values())
        assert sum(totals(hours, UsageHour.DURATION).values()) == answered
        assert sum(totals(hours, UsageHour.FIRST_TOKEN).values()) == wanted["first_tokens"]
        wanted_attempts = expected_attempts(list(once.values()))
        attempt_sums = totals(list(AttemptHour.objects.all()), AttemptHour.SUMS)
        assert attempt_sums - Counter(first_token_ms=10**9) == wanted_attempts
        in_sessions = [record for record in once.values() if record.session]
        sessions = totals(list(UsageSession.objects.all()), ("requests", "cost_nano_usd"))
        assert sessions == +Counter(
            requests=len(in_sessions), cost_nano_usd=expected(in_sessions)["cost_nano_usd"]
        )
        assert audit().differences == []
        transaction.set_rollback(True)


# --- how long rows stay --------------------------------------------------------------------------


@pytest.fixture
def two_days() -> Iterator[datetime]:
    """300 requests up to noon of that day; the day before."""
    synthetic.fill(300, days=2, end=NOON.timestamp())
    yield NOON - timedelta(days=1)


def test_old_rows_go_in_small_steps_and_sums_stay(two_days: datetime) -> None:
    """docs, USAGE_RETENTION_DAYS."""
    before = totals(list(UsageHour.objects.all()), SumColumns.NAMES)
    steps = []
    while count := erase(two_days, limit=40):
        steps.append(count)
    assert steps[:-1] == [40] * (len(steps) - 1)
    kept = UsageRecord.objects.order_by("time")
    first = kept.first()
    assert first is not None
    start = two_days.replace(minute=0)
    assert start <= first.time < start + timedelta(minutes=30)
    assert (sum(steps) + kept.count(), before["requests"]) == (300, 300)
    assert totals(list(UsageHour.objects.all()), SumColumns.NAMES) == before
    assert UsageHorizon.objects.get().complete_from == start


def test_horizon_never_goes_back(two_days: datetime) -> None:
    """Ours: rows that are gone do not come back when the setting is raised."""
    erase(two_days)
    late = a_record(1, started_at=(two_days - timedelta(days=30)).timestamp())
    enter([late])
    assert erase(two_days - timedelta(days=20)) == 1
    assert UsageHorizon.objects.get().complete_from == two_days.replace(minute=0)
    assert audit().differences == []


def test_nothing_old_leaves_no_mark(two_days: datetime) -> None:
    assert erase(two_days - timedelta(days=30)) == 0
    assert not UsageHorizon.objects.exists()


# --- how much samples may take -------------------------------------------------------------------


def sampled(number: int, size: int) -> Record:
    """A request whose sample has so many characters, one hour after the one before."""
    text = "x" * size
    kept = {"request": text, "answer": "", "cut": False, "taken": {"image": 1}}
    at = (NOON + timedelta(hours=number)).timestamp()
    return a_record(number, route=("listed",), sample=kept, started_at=at)


def test_oldest_samples_go_where_they_take_too_much_and_rows_stay() -> None:
    """docs, SAMPLES_MAX_BYTES."""
    enter([sampled(number, 1000) for number in range(1, 7)])
    enter([a_record(9)])
    assert samples.size() == 6000
    assert samples.shrink(6000) is False
    assert samples.shrink(3500) is False
    rows = {row.request_id: row for row in UsageRecord.objects.all()}
    have = [f"req_{number}" for number in range(1, 7) if "sample" in rows[f"req_{number}"].detail]
    assert have == ["req_4", "req_5", "req_6"]
    assert (samples.size(), len(rows)) == (3000, 7)
    assert rows["req_1"].detail["route"] == rows["req_4"].detail["route"] == ["listed"]
    assert audit().differences == []


def test_many_samples_go_in_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "AT_ONCE", 2)
    enter([sampled(number, 100) for number in range(1, 6)])
    steps = 1
    while erase_some(0, 0):
        steps += 1
    assert (steps, samples.size()) == (3, 0)
