"""Ranges: which time, in whose zone, in which bars, against what (pages, "times in the visitor's
time zone"; field 130 and 133: days off by one, buckets in the wrong zone)."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.spans import HOUR, visitor_zone
from dashboard.usage import periods
from dashboard.usage.periods import RangeError, Step

BERLIN, KOLKATA, NEW_YORK = (
    ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Kolkata", "America/New_York")
)
UTC_ZONE = ZoneInfo("UTC")
OVER = {"yesterday", "last-week", "last-month"}
"""Ranges that do not run any more."""
NOW = datetime(2025, 3, 20, 14, 23, 45, tzinfo=UTC)


def utc(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=UTC)  # type: ignore[misc, arg-type]


def named(name: str, zone: ZoneInfo = BERLIN, now: datetime = NOW) -> periods.Range:
    return periods.read({"range": name}, zone, now)


def test_an_hour_and_a_day_are_whole_hours_and_the_running_one() -> None:
    hour, day = named("1h"), named("24h")
    assert (hour.start, hour.end) == (utc(2025, 3, 20, 13), utc(2025, 3, 20, 15))
    assert (day.start, day.end) == (utc(2025, 3, 19, 14), utc(2025, 3, 20, 15))
    assert day.whole_until == utc(2025, 3, 20, 14) and day.is_running
    assert len(day.slots()) == 25


def test_days_begin_at_the_visitors_midnight() -> None:
    assert named("7d", BERLIN).start == utc(2025, 3, 13, 23)
    assert named("7d", NEW_YORK).start == utc(2025, 3, 14, 4)
    assert named("month", BERLIN).start == utc(2025, 2, 28, 23)


def test_where_midnight_is_no_full_hour_of_utc_the_day_begins_half_an_hour_later() -> None:
    """Ours: sums are by the hour of UTC, and an hour belongs to the day in which it begins."""
    span = named("30d", KOLKATA)
    assert span.has_odd_hours and not named("30d", BERLIN).has_odd_hours
    for slot in span.slots()[1:]:
        assert f"{span.local(slot.start):%H:%M}" == "00:30"


@pytest.mark.parametrize(
    ("zone", "now", "changed", "hours"),
    [
        (BERLIN, utc(2025, 4, 2, 12), date(2025, 3, 30), 23),
        (BERLIN, utc(2025, 10, 29, 12), date(2025, 10, 26), 25),
        (NEW_YORK, utc(2025, 3, 12, 12), date(2025, 3, 9), 23),
        (KOLKATA, utc(2025, 4, 2, 12), date(2025, 3, 30), 24),
    ],
)
def test_days_when_clocks_change_have_23_or_25_hours(
    zone: ZoneInfo, now: datetime, changed: date, hours: int
) -> None:
    slots = {s.start.astimezone(zone).date(): s for s in named("30d", zone, now).slots()}
    assert len(slots) == 30
    lengths = {day: (s.end - s.start) // HOUR for day, s in slots.items() if s.complete}
    assert lengths.pop(changed) == hours
    assert set(lengths.values()) == {24}


def test_hours_of_the_night_when_clocks_go_back_are_two_bars() -> None:
    span = named("24h", BERLIN, utc(2025, 10, 26, 6, 30))
    labels = Counter(slot.label for slot in span.slots())
    assert labels["02:00"] == 2
    assert len({slot.start for slot in span.slots()}) == 25


def test_seven_days_are_shown_in_quarters_of_days_also_when_clocks_change() -> None:
    span = named("7d", BERLIN, utc(2025, 4, 1, 12))
    assert span.step is Step.SIX_HOURS
    starts = [span.local(slot.start) for slot in span.slots()]
    assert {start.hour for start in starts} == {0, 6, 12, 18}
    lengths = [(s.end - s.start) // HOUR for s in span.slots() if s.complete]
    assert sorted(set(lengths)) == [5, 6]


def test_only_the_last_bar_is_not_over_yet() -> None:
    for name in set(periods.NAMED) - OVER:
        complete = [slot.complete for slot in named(name).slots()]
        assert complete == [True] * (len(complete) - 1) + [False], name


# --- the period before ----------------------------------------------------------------------------


def test_whole_hours_are_compared_with_as_many() -> None:
    span = named("24h")
    assert span.before == (utc(2025, 3, 18, 14), utc(2025, 3, 19, 14))
    assert span.whole_until - span.start == 24 * HOUR


def test_days_are_compared_up_to_the_same_hour_of_the_clock() -> None:
    """Also over the change of clocks: from midnight to 16:00 on both sides."""
    span = named("7d", BERLIN, utc(2025, 4, 1, 14, 23))
    assert span.before is not None
    begin, until = (span.local(moment) for moment in span.before)
    assert (begin.isoformat(), until.isoformat()) == (
        "2025-03-19T00:00:00+01:00",
        "2025-03-25T16:00:00+01:00",
    )


def test_a_month_is_compared_with_the_month_before() -> None:
    span = named("month", UTC_ZONE, utc(2025, 3, 20, 14, 23))
    assert span.before == (utc(2025, 2, 1), utc(2025, 2, 20, 14))
    assert span.words == "March 2025" and "February 2025" in span.before_words


def test_a_longer_month_is_compared_with_all_of_a_shorter_one() -> None:
    span = named("month", UTC_ZONE, utc(2025, 3, 31, 14, 23))
    assert span.before == (utc(2025, 2, 1), utc(2025, 3, 1))


def test_in_the_first_hour_of_a_month_there_is_nothing_to_compare() -> None:
    assert named("month", UTC_ZONE, utc(2025, 3, 1, 0, 10)).before is None


def test_the_week_begins_on_monday() -> None:
    """NOW is a Thursday."""
    week = named("week", BERLIN)
    assert (week.start, week.end) == (utc(2025, 3, 16, 23), utc(2025, 3, 20, 15))
    assert week.is_running
    assert week.before == (utc(2025, 3, 9, 23), utc(2025, 3, 13, 14))


@pytest.mark.parametrize(
    ("name", "start", "end", "before", "words", "against"),
    [
        (
            "yesterday",
            utc(2025, 3, 18, 23),
            utc(2025, 3, 19, 23),
            utc(2025, 3, 17, 23),
            "Wed 19 Mar 2025",
            "the day before",
        ),
        (
            "last-week",
            utc(2025, 3, 9, 23),
            utc(2025, 3, 16, 23),
            utc(2025, 3, 2, 23),
            "Mon 10 Mar 2025 to Sun 16 Mar 2025",
            "the week before",
        ),
        (
            "last-month",
            utc(2025, 1, 31, 23),
            utc(2025, 2, 28, 23),
            utc(2024, 12, 31, 23),
            "Sat 1 Feb 2025 to Fri 28 Feb 2025",
            "January 2025",
        ),
    ],
)
def test_periods_that_are_over_are_whole_and_compared_with_the_one_before(
    name: str, start: datetime, end: datetime, before: datetime, words: str, against: str
) -> None:
    span = named(name, BERLIN)
    assert (span.start, span.end, span.before) == (start, end, (before, start))
    assert (span.words, span.before_words) == (words, against)
    assert not span.is_running and all(slot.complete for slot in span.slots())


def test_a_day_that_a_zone_skipped_was_not_yesterday() -> None:
    """Samoa had no 30 December 2011."""
    apia = ZoneInfo("Pacific/Apia")
    span = named("yesterday", apia, datetime(2011, 12, 31, 12, tzinfo=apia))
    assert span.local(span.start).date() == date(2011, 12, 29) and len(span.slots()) == 24


@given(
    zone=st.sampled_from([BERLIN, KOLKATA, NEW_YORK, UTC_ZONE]),
    now=st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_what_is_over_ends_where_what_runs_begins(zone: ZoneInfo, now: datetime) -> None:
    assert named("last-month", zone, now).end == named("month", zone, now).start
    assert named("last-week", zone, now).end == named("week", zone, now).start
    today = now.astimezone(zone).date()
    whole = named("yesterday", zone, now)
    assert whole.local(whole.start).date() == today - timedelta(days=1)
    assert whole.local(whole.end).date() == today


@given(now=st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_a_month_that_is_over_lies_between_two_firsts_of_the_month(now: datetime) -> None:
    """Also where it has the hours of a change of clocks."""
    span = named("last-month", BERLIN, now)
    first, end = span.local(span.start), span.local(span.end)
    assert (first.day, first.hour, end.day, end.hour) == (1, 0, 1, 0)
    assert (end.date() - timedelta(days=1)).month == first.month


# --- from and to ----------------------------------------------------------------------------------


def custom(zone: ZoneInfo = BERLIN, **asked: str) -> periods.Range:
    return periods.read({**asked, "from": asked.pop("since", "")}, zone, NOW)


def test_dates_include_their_last_day() -> None:
    span = custom(since="2025-03-01", to="2025-03-03")
    assert (span.start, span.end) == (utc(2025, 2, 28, 23), utc(2025, 3, 3, 23))
    assert span.before == (utc(2025, 2, 25, 23), utc(2025, 2, 28, 23))
    assert not span.is_running and all(slot.complete for slot in span.slots())
    assert span.words == "Sat 1 Mar 2025 to Mon 3 Mar 2025"


def test_times_are_of_the_visitors_clock() -> None:
    span = custom(since="2025-03-10T08:00", to="2025-03-10T20:00")
    assert (span.start, span.end) == (utc(2025, 3, 10, 7), utc(2025, 3, 10, 19))
    assert len(span.slots()) == 12
    assert span.words == "Mon 10 Mar 2025, 08:00 to 20:00"


def test_what_is_still_to_come_is_left_out() -> None:
    assert custom(since="2025-03-20", to="2025-12-31").end == utc(2025, 3, 20, 15)
    assert custom(since="2025-03-20").end == utc(2025, 3, 20, 15)


def test_years_are_shown_by_the_month() -> None:
    span = custom(since="2023-11-15", to="2025-02-10")
    assert span.step is Step.MONTH
    assert [slot.label for slot in span.slots()][:3] == ["Nov 2023", "Dec 2023", "Jan 2024"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({"range": "2w"}, "range"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2025-03-01"}, "from"),
        ({"from": "2025-03-02", "to": "2025-03-32"}, "to"),
        ({"from": "2025-03-05", "to": "2025-03-01"}, "to"),
        ({"from": "2030-01-01"}, "to"),
        ({"from": "2001-01-01"}, "from"),
        ({"from": "0001-01-01"}, "from"),
        ({"from": "9999-12-31", "to": "9999-12-31"}, "from"),
    ],
)
def test_a_bad_range_is_refused_by_name(asked: dict[str, str], names: str) -> None:
    with pytest.raises(RangeError, match=f"^{names}: expected"):
        periods.read(asked, BERLIN, NOW)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "a\0b"])
def test_an_unknown_time_zone_is_utc(name: str) -> None:
    assert str(visitor_zone(name, "")) == "UTC"
    assert str(visitor_zone(name, "Asia/Kolkata")) == "Asia/Kolkata"


# --- for every range and zone ---------------------------------------------------------------------

ZONES = st.sampled_from(
    [
        *("UTC", "Europe/Berlin", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe"),
        *("America/Sao_Paulo", "Africa/Cairo", "Pacific/Apia", "America/St_Johns"),
    ]
).map(ZoneInfo)
SAME = settings(deadline=None, derandomize=True, database=None)
MOMENTS = st.datetimes(datetime(2010, 1, 3), datetime(2026, 12, 31), timezones=st.just(UTC))


@SAME
@given(ZONES, MOMENTS, st.sampled_from(sorted(periods.NAMED)))
@example(ZoneInfo("Pacific/Apia"), datetime(2012, 1, 1, tzinfo=UTC), "30d")
def test_bars_cover_a_range_without_gap_or_overlap(
    zone: ZoneInfo, now: datetime, name: str
) -> None:
    span = periods.read({"range": name}, zone, now)
    slots = span.slots()
    assert slots[0].start == span.start and slots[-1].end == span.end
    assert all(one.end == other.start for one, other in zip(slots, slots[1:], strict=False))
    assert all(slot.start < slot.end for slot in slots)
    assert all(slot.start.minute == slot.start.second == 0 for slot in slots)
    assert span.start <= now and (span.end <= now) == (name in OVER)
    assert len(slots) <= 100


@SAME
@given(ZONES, MOMENTS, st.sampled_from(sorted(periods.NAMED)))
def test_the_period_before_is_before_and_about_as_long(
    zone: ZoneInfo, now: datetime, name: str
) -> None:
    """Clocks may change in between, and a month may have fewer days."""
    span = periods.read({"range": name}, zone, now)
    if span.before is None:
        return
    begin, until = span.before
    assert begin < until <= span.start
    difference = (span.whole_until - span.start) - (until - begin)
    most = 3 * timedelta(days=1, hours=1) if "month" in name else timedelta(hours=25)
    assert abs(difference) <= most


@SAME
@given(ZONES, MOMENTS)
def test_an_hour_belongs_to_the_local_day_in_which_it_begins(zone: ZoneInfo, now: datetime) -> None:
    span = periods.read({"range": "30d"}, zone, now)
    for slot in span.slots():
        days = set()
        at = slot.start
        while at < slot.end:
            days.add(at.astimezone(zone).date())
            at += HOUR
        assert len(days) == 1
