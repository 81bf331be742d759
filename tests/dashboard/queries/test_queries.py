"""Sums of the hours: they add up to the requests, in any time zone, whoever groups them how
(pages, "at most 10 queries"; field 129 to 133, 137: reports that lose keys, days or rows)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Q

from bridge.models import ApiKey, KeyLabel, UsageHour, UsageRecord
from bridge.models.latency import bucket, percentile
from bridge.models.people.keys import KeyKind
from bridge.spans import HOUR
from dashboard.queries import hours, keys, models
from dashboard.usage import periods
from dashboard.usage.key_owners import DELETED, FORWARDED, ISSUED, NOBODY, SIGN_IN
from dashboard.usage.periods import Range
from dashboard.usage.totals import COUNTED, Totals
from tests.dashboard.making import FORWARDED as FINGERPRINT
from tests.dashboard.making import NOW, enter, issue_keys, month, record
from tests.dashboard.months import enter_month, enter_once

pytestmark = pytest.mark.django_db

BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")
CHANGE = datetime(2025, 4, 2, 9, 40, tzinfo=UTC)
"""A few days after the clocks went forward in Europe."""


def span(name: str = "30d", zone: ZoneInfo = BERLIN, now: datetime = NOW) -> Range:
    return periods.read({"range": name}, zone, now)


@pytest.fixture
def some() -> list[UsageRecord]:
    issue_keys()
    return enter_month(800)


def within(rows: Iterable[UsageRecord], start: datetime, end: datetime) -> list[UsageRecord]:
    return [row for row in rows if start <= row.time < end]


def summed(rows: Iterable[UsageRecord], name: str) -> int:
    return sum(getattr(row, name) or 0 for row in rows)


def check(total: Totals, rows: list[UsageRecord]) -> None:
    """The sums are those of the requests themselves."""
    outcomes = Counter(row.outcome for row in rows)
    assert total.requests == len(rows)
    assert total.answered == outcomes["answered"]
    assert (total["errors"], total["refused"], total["abandoned"]) == (
        outcomes["error"],
        outcomes["refused"],
        outcomes["abandoned"],
    )
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cost_nano_usd"):
        assert total[name] == summed(rows, name), name
    assert total["repeated_bytes"] == summed(rows, "repeated_bytes")


@pytest.mark.parametrize("name", sorted(periods.NAMED))
@pytest.mark.parametrize("zone", [BERLIN, KOLKATA])
def test_sums_are_those_of_the_requests(some: list[UsageRecord], name: str, zone: ZoneInfo) -> None:
    chosen = span(name, zone)
    told = hours.total(chosen, hours.EVERYTHING)
    check(told.total, within(some, chosen.start, chosen.end))
    check(told.whole, within(some, chosen.start, chosen.whole_until))
    assert chosen.before is not None
    check(told.before, within(some, *chosen.before))


def test_percentiles_come_from_the_histograms(some: list[UsageRecord]) -> None:
    chosen = span("90d")
    times = [
        row.first_token_ms / 1000
        for row in within(some, chosen.start, chosen.end)
        if row.status < 400 and row.first_token_ms is not None
    ]
    counts = [0] * 25
    for seconds in times:
        counts[bucket(seconds)] += 1
    total = hours.total(chosen, hours.LATENCY).total
    for part in (0.5, 0.95):
        told, expected = total.first_token(part), percentile(counts, part)
        assert told is not None and expected is not None
        assert told == pytest.approx(expected * 1000)
        exact = sorted(times)[round(part * len(times))] * 1000
        assert told == pytest.approx(exact, rel=0.35)


def local_day(zone: ZoneInfo) -> Callable[[UsageRecord], object]:
    """The day on the visitor's calendar in which the hour (of UTC) of a request began."""

    def day(row: UsageRecord) -> object:
        hour = row.time.replace(minute=0, second=0, microsecond=0)
        return hour.astimezone(zone).date()

    return day


@pytest.mark.parametrize("zone", [BERLIN, KOLKATA, ZoneInfo("America/Los_Angeles")])
@pytest.mark.parametrize("now", [NOW, CHANGE])
def test_days_are_those_of_the_visitors_calendar(zone: ZoneInfo, now: datetime) -> None:
    rows = enter_once(now, lambda: month(600, now, days=20))
    chosen = span("30d", zone, now)
    told = hours.total(chosen).slots
    expected = Counter(map(local_day(zone), within(rows, chosen.start, chosen.end)))
    for slot, total in zip(chosen.slots(), told, strict=True):
        assert total.requests == expected.pop(chosen.local(slot.start).date(), 0), slot.title
    assert not expected


def test_a_request_just_before_midnight_is_of_that_day() -> None:
    """Field 130: dates off by one."""
    midnight = datetime(2025, 3, 18, tzinfo=BERLIN)
    second = timedelta(seconds=1)
    enter([record(midnight - second, 1), record(midnight, 2), record(midnight + second, 3)])
    chosen = span("7d")
    told: Counter[object] = Counter()
    for slot, total in zip(chosen.slots(), hours.total(chosen).slots, strict=True):
        told[chosen.local(slot.start).day] += total.requests
    assert (told[17], told[18]) == (1, 2)


def test_the_longest_day_of_the_year_has_25_hours_of_requests() -> None:
    """The night in which clocks go back, with a request in each hour of UTC."""
    start = datetime(2025, 10, 25, tzinfo=UTC)
    enter(record(start + n * HOUR, n) for n in range(72))
    chosen = span("7d", BERLIN, datetime(2025, 10, 29, 12, tzinfo=UTC))
    told: Counter[object] = Counter()
    for slot, total in zip(chosen.slots(), hours.total(chosen).slots, strict=True):
        told[chosen.local(slot.start).date().isoformat()] += total.requests
    assert (told["2025-10-26"], told["2025-10-27"]) == (25, 24)


def test_the_running_hour_is_shown_and_not_compared() -> None:
    enter([record(NOW, 1), record(NOW - HOUR, 2), record(NOW - 25 * HOUR, 3)])
    told = hours.total(span("24h"))
    assert told.total.requests == 2
    assert (told.whole.requests, told.before.requests) == (1, 1)
    assert [total.requests for total in told.slots][-2:] == [1, 1]


def test_a_range_of_the_past_has_no_running_hour(some: list[UsageRecord]) -> None:
    asked = {"from": "2025-03-01", "to": "2025-03-07"}
    chosen = periods.read(asked, BERLIN, NOW)
    told = hours.total(chosen)
    assert told.total == told.whole
    check(told.total, within(some, chosen.start, chosen.end))


def test_nothing_is_nothing() -> None:
    told = hours.total(span(), hours.EVERYTHING)
    assert told.total.requests == 0 and len(told.slots) == 30
    assert told.total.error_share is None and told.total.first_token(0.5) is None
    assert told.total.cost == 0 and told.last_hour is None


@pytest.mark.parametrize("name", ["24h", "7d", "90d"])
def test_groups_add_up_to_the_whole(some: list[UsageRecord], name: str) -> None:
    chosen = span(name)
    whole = hours.total(chosen, hours.LATENCY)
    grouped = models.used(chosen, hours.LATENCY)
    assert len(grouped) == 3
    joined = sum((use.sums for use in grouped), hours.Sums.nothing(chosen))
    assert joined.slots == whole.slots
    assert (joined.total, joined.before) == (whole.total, whole.before)
    by_key = keys.used(chosen, keys.KnownKeys.read(), hours.LATENCY)
    assert sum((use.sums.total for use in by_key), Totals()) == whole.total


def test_without_bars_the_sums_are_the_same(some: list[UsageRecord]) -> None:
    chosen = span("90d")
    sliced = {use.name: use.sums for use in models.used(chosen)}
    plain = {use.name: use.sums for use in models.used(chosen, sliced=False)}
    for name, told in plain.items():
        assert (told.total, told.before) == (sliced[name].total, sliced[name].before)


def test_one_key_alone(some: list[UsageRecord]) -> None:
    chosen = span("90d")
    told = models.used(chosen, COUNTED, Q(key_id=2, fingerprint=""))
    mine = [row for row in within(some, chosen.start, chosen.end) if row.key_id == 2]
    check(sum((use.sums.total for use in told), Totals()), mine)


def test_the_columns_of_the_ledger_are_all_known() -> None:
    """Ours: a new sum is a new row of COUNTED."""
    from bridge.models.usage import SumColumns

    assert set(COUNTED) == set(SumColumns.NAMES)
    assert set(hours.EVERYTHING) <= {field.name for field in UsageHour._meta.fields}


# --- names ----------------------------------------------------------------------------------------


def owners() -> dict[str, str]:
    found = keys.used(span("90d"), keys.KnownKeys.read())
    return {use.owner.slug: use.owner.shown for use in found}


def test_deleted_keys_stay_under_their_last_name() -> None:
    """Field 129: deleted or revoked keys vanish from reports."""
    enter([record(NOW - 3 * HOUR, 1, key_id=9, key="old"), record(NOW, 2, key_id=9, key="new")])
    (use,) = keys.used(span(), keys.KnownKeys.read())
    assert use.owner.kind == DELETED
    assert (use.owner.shown, use.sums.total.requests) == ("new (deleted)", 2)


def test_a_renamed_key_has_todays_name_and_all_of_its_use() -> None:
    issue_keys()
    ApiKey.objects.filter(pk=1).update(name="pipeline")
    enter([record(NOW - 3 * HOUR, 1, key="ci"), record(NOW, 2, key="pipeline")])
    (use,) = keys.used(span(), keys.KnownKeys.read())
    assert (use.owner.name, use.owner.kind) == ("pipeline", ISSUED)
    assert use.sums.total.requests == 2


def test_the_key_of_a_sign_in_is_no_issued_key() -> None:
    """Ours: an operator finds it among sign-ins, not among API keys."""
    issue_keys()
    ApiKey.objects.filter(pk=1).update(kind=KeyKind.SESSION)
    enter([record(NOW, 1, key="ci")])
    (use,) = keys.used(span(), keys.KnownKeys.read())
    assert use.owner.kind == SIGN_IN
    assert use.owner.meaning == "The key of a client in which somebody signed in"


def test_a_forwarded_key_is_called_as_its_label_says() -> None:
    enter([record(NOW, 1, key_id=0, fingerprint=FINGERPRINT, key=f"key-{FINGERPRINT}")])
    assert owners() == {f"f-{FINGERPRINT}": f"key-{FINGERPRINT}"}
    KeyLabel.objects.create(fingerprint=FINGERPRINT, name="the team's Chutes key")
    assert owners() == {f"f-{FINGERPRINT}": "the team's Chutes key"}


def test_refused_guesses_are_nobodys() -> None:
    enter([record(NOW, 1, key_id=0, key="", status=401)])
    (use,) = keys.used(span(), keys.KnownKeys.read())
    assert (use.owner.slug, use.owner.kind) == ("none", NOBODY)


def test_forwarded_keys_are_told_apart(some: list[UsageRecord]) -> None:
    kinds = {use.owner.kind for use in keys.used(span("90d"), keys.KnownKeys.read())}
    assert kinds == {ISSUED, DELETED, FORWARDED}


def test_last_seen_is_exact_and_to_the_hour_when_the_row_is_gone() -> None:
    enter([record(NOW - 5 * HOUR, 1), record(NOW - 2 * HOUR, 2)])
    seen = keys.last_seen((1, ""))
    assert seen is not None and seen.exact and seen.at == NOW - 2 * HOUR
    UsageRecord.objects.all().delete()
    seen = keys.last_seen((1, ""))
    assert seen is not None and not seen.exact
    assert seen.at == (NOW - 2 * HOUR).replace(minute=0, second=0)
    assert keys.last_seen((2, "")) is None
