"""The query string of /v1/usage: bounded, and each fault named by its field."""

from datetime import UTC, datetime

import pytest

from bridge.api.own_usage.question import UsageQuestion, question_of
from bridge.keys.authentication import Caller, IssuedKey, Principal
from bridge.translation.errors.api_error import ApiError

NOW = datetime(2026, 11, 29, 14, 23, 45, tzinfo=UTC)
OWNED = Caller("f0", IssuedKey(7, "laptop", person=Principal(3, "ann")))
NOBODYS = Caller("f0", IssuedKey(8, "ci"))
FORWARDED = Caller("a1b2c3d4e5f6", secret="cpk_secret")


def asked(query: str, caller: Caller = OWNED) -> UsageQuestion:
    return question_of(query, caller, NOW)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("", utc(2026, 11, 22, 15), utc(2026, 11, 29, 15)),
        ("from=2026-11-28", utc(2026, 11, 28), utc(2026, 11, 29, 15)),
        ("from=2026-11-01&to=2026-11-02", utc(2026, 11, 1), utc(2026, 11, 3)),
        ("to=2026-11-28", utc(2026, 11, 22), utc(2026, 11, 29)),
        ("from=2026-11-28&to=2030-01-01", utc(2026, 11, 28), utc(2026, 11, 29, 15)),
        (
            "from=2026-11-28T10:40:00Z&to=2026-11-28T12:10:00.5z",
            utc(2026, 11, 28, 10),
            utc(2026, 11, 28, 13),
        ),
        (
            "from=2026-11-28T10:00:00%2B02:00&to=2026-11-28T12:00:00+02:00",
            utc(2026, 11, 28, 8),
            utc(2026, 11, 28, 10),
        ),
        (
            "from=2026-11-28&to=2026-11-28&timezone=Europe/Berlin",
            utc(2026, 11, 27, 23),
            utc(2026, 11, 28, 23),
        ),
    ],
)
def test_time_is_in_full_hours_that_have_begun(query: str, start: datetime, end: datetime) -> None:
    """Ours: a date as `to` includes its day, as in the reports."""
    question = asked(query)
    assert (question.start, question.end) == (start, end)


@pytest.mark.parametrize(
    ("caller", "query", "whose"),
    [
        (OWNED, "", (7, "", 0)),
        (OWNED, "of=key", (7, "", 0)),
        (OWNED, "of=person", (7, "", 3)),
        (NOBODYS, "", (8, "", 0)),
        (FORWARDED, "", (0, "a1b2c3d4e5f6", 0)),
    ],
)
def test_use_is_that_of_the_key_or_its_person(
    caller: Caller, query: str, whose: tuple[int, str, int]
) -> None:
    question = asked(query, caller)
    assert (question.key_id, question.fingerprint, question.person_id) == whose


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("by=colour", "by: expected one of model, day, hour, class, key"),
        ("of=team", "of: expected one of key, person"),
        ("from=yesterday", "from: expected a date such as"),
        ("to=2026-11-31", "to: expected a date such as"),
        ("from=2026-11-28T10:00:00", "from: expected a date such as"),
        ("from=2026-11-28T25:00:00Z", "from: expected a date such as"),
        ("from=0001-01-01", "from: expected a year from 1971"),
        ("to=0001-01-01T00:00:00%2B14:00", "to: expected a year from 1971"),
        ("from=2026-12-01", "from: expected a moment that is not in the future"),
        ("from=2026-11-20&to=2026-11-10", "to: expected a time after `from`"),
        ("from=2020-01-01", "from: expected at most 366 days before `to`"),
        ("from=2026-10-01&by=hour", "from: expected at most 31 days before `to` by hour"),
        ("timezone=Mars/Base", "timezone: Mars/Base is not known"),
        ("key=other", "key: no such parameter"),
        ("person_id=4", "person_id: no such parameter"),
        ("by=day&by=model", "by: given more than once"),
        ("%00=1", "query: no such parameter"),
        ("x" * 2000, "query: expected at most 1000 characters"),
    ],
)
def test_fault_is_a_400_that_names_the_field(query: str, message: str) -> None:
    """brief: bad input gets a clear error that names the field."""
    with pytest.raises(ApiError) as refused:
        asked(query)
    assert refused.value.status == 400
    assert refused.value.message.startswith(message)


@pytest.mark.parametrize("caller", [NOBODYS, FORWARDED])
def test_key_of_nobody_has_no_person(caller: Caller) -> None:
    with pytest.raises(ApiError) as refused:
        asked("of=person", caller)
    assert refused.value.message == "of: this key belongs to no person"
