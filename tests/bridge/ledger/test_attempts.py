"""Attempts in the ledger: beside the rows of their requests, and summed at their own backend."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.attempts import (
    ANSWERED,
    BROKEN,
    MAX_TEXT,
    REFUSED,
    SERVER_ERROR,
    AttemptRecord,
    of_request,
)
from bridge.ledger.audit import audit
from bridge.ledger.record import MAX_WORDS, Record
from bridge.ledger.retention.erasing import erase
from bridge.ledger.rows import row_of
from bridge.ledger.spool_file import MAX_LINE
from bridge.ledger.writer import enter
from bridge.models import AttemptHour, UsageHour, UsageRecord
from bridge.models.latency import bucket

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
ALPHA_FAILS = AttemptRecord("alpha", "x", SERVER_ERROR, 500, "boom", 2, 30, 31, fell_back=True)
BETA_ANSWERS = AttemptRecord("beta", "y", ANSWERED, 200, "", 40, 60, 1000)


def a_record(number: int = 1, **fields: Any) -> Record:
    told: dict[str, Any] = {
        "started_at": NOON.timestamp(),
        "status": 200,
        "backend": "beta",
        "model": "y",
        "attempts": 1,
        "translated_after": 0.01,
        "headers_after": 0.07,
        "first_token_after": 0.14,
        "seconds": 1.04,
    }
    return Record(f"req_{number}", **{**told, **fields})


def fell_back(number: int = 1, **fields: Any) -> Record:
    return a_record(number, attempts=2, attempt_list=[ALPHA_FAILS, BETA_ANSWERS], **fields)


def hour(backend: str) -> AttemptHour:
    row: AttemptHour = AttemptHour.objects.get(backend=backend)
    return row


def sums(row: AttemptHour) -> dict[str, int]:
    """What was added, less the noughts."""
    found = {name: getattr(row, name) for name in AttemptHour.COUNTED}
    return {name: count for name, count in found.items() if count}


def test_backend_that_fails_every_time_shows_although_another_one_answers() -> None:
    """65 failures in a row, and no error in the sums of requests."""
    enter([fell_back(number) for number in range(65)])
    assert UsageHour.objects.get().errors == 0
    alpha, beta = hour("alpha"), hour("beta")
    assert sums(alpha) == {"asked": 65, SERVER_ERROR: 65, "fell_back": 65}
    assert (alpha.hour, alpha.model) == (NOON.replace(minute=0), "x")
    assert (sums(beta)["asked"], sums(beta)[ANSWERED]) == (65, 65)


def test_times_of_an_attempt_are_its_own() -> None:
    """Not what the targets before it took, nor of attempts that failed."""
    enter([fell_back()])
    assert sums(hour("beta")) == {
        "asked": 1,
        ANSWERED: 1,
        "headers_ms": 60,
        AttemptHour.HEADERS[bucket(0.06)]: 1,
        "first_token_ms": 100,
        AttemptHour.FIRST_TOKEN[bucket(0.1)]: 1,
        "took_ms": 1000,
        AttemptHour.DURATION[bucket(1.0)]: 1,
    }


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, ANSWERED),
        ({"status": 499}, "abandoned"),
        ({"status": 400}, REFUSED),
        ({"status": 502}, SERVER_ERROR),
    ],
)
def test_only_attempt_follows_from_its_request(fields: dict[str, Any], kind: str) -> None:
    enter([a_record(1, **fields)])
    row = UsageRecord.objects.get()
    assert (row.attempt_list, row.failed_lines) == ([], "")
    (attempt,) = row.attempts_made()
    assert (attempt.kind, attempt.began_ms, attempt.headers_ms, attempt.took_ms) == (
        kind,
        10,
        60,
        1030,
    )
    assert (sums(hour("beta"))["asked"], sums(hour("beta"))[kind]) == (1, 1)
    assert row.attempts_made() == tuple(a_record(1, **fields).attempts_made())


def test_request_that_asked_nobody_has_no_attempt() -> None:
    enter([a_record(1, attempts=0, status=429)])
    assert not AttemptHour.objects.exists()
    assert UsageRecord.objects.get().attempts_made() == ()


def test_row_has_its_attempts_in_order_and_names_where_they_failed() -> None:
    enter([fell_back()])
    row = UsageRecord.objects.get()
    assert row.attempts_made() == (ALPHA_FAILS, BETA_ANSWERS)
    assert UsageRecord.objects.get(failed_lines__contains="\nalpha\n") == row
    assert not UsageRecord.objects.filter(failed_lines__contains="\nbeta\n").exists()


def test_hostile_attempts_become_rows_that_a_database_takes() -> None:
    """A spool file may hold anything."""
    hostile = AttemptRecord(
        "b\0" * 99, "m" * 999, "k" * 99, 10**9, "\x1b[2J\ud800" + "x" * 999, -5, 10**15, -1
    )
    row = row_of(a_record(attempt_list=[hostile]))
    (attempt,) = of_request(row)
    assert (attempt.status, attempt.began_ms, attempt.took_ms) == (999, 0, 0)
    assert len(attempt.text) == MAX_TEXT and attempt.text.isprintable()
    assert (len(attempt.backend), len(attempt.model)) == (50, 300)
    enter([a_record(attempt_list=[hostile])])
    assert audit().differences == []


class Kept:
    """The lines of a spool."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        self.lines.append(line)


def test_many_attempts_fit_on_a_line() -> None:
    """The first ones and the last; without words where those would take too much."""
    words = "\N{SNOWMAN}" * MAX_TEXT
    many = [AttemptRecord("alpha", "\x01" * 300, BROKEN, text=words)] * 500
    kept, record = Kept(), a_record(attempt_list=[*many, BETA_ANSWERS])
    record.write(kept)
    assert len(kept.lines[0]) <= MAX_LINE
    assert (len(record.attempt_list), record.attempt_list[-1]) == (
        MAX_WORDS,
        AttemptRecord("beta", "y", ANSWERED, 200, "", 40, 60, 1000),
    )


# --- exactness -----------------------------------------------------------------------------------


def test_audit_finds_a_sum_of_attempts_that_is_wrong() -> None:
    """docs, check_ledger."""
    enter([fell_back(), a_record(2)])
    assert audit().differences == []
    AttemptHour.objects.filter(backend="alpha").update(server_error=7)
    (sentence,) = audit().differences
    assert sentence == (
        "attempts: hour 2026-11-22 12:00, backend alpha, model x: "
        "server_error is 7, its rows add up to 1"
    )


def test_audit_finds_sums_of_attempts_without_rows_and_rows_without_sums() -> None:
    AttemptHour.objects.create(hour=NOON.replace(minute=0), backend="ghost", model="x", asked=1)
    (sentence,) = audit().differences
    assert "backend ghost" in sentence and "asked is 1" in sentence
    AttemptHour.objects.all().delete()
    enter([fell_back()])
    AttemptHour.objects.all().delete()
    assert any("backend alpha" in found for found in audit().differences)


def test_request_that_comes_twice_counts_its_attempts_once() -> None:
    enter([fell_back(), fell_back()])
    enter([fell_back(), a_record(2)])
    assert [sums(hour(name))["asked"] for name in ("alpha", "beta")] == [1, 2]


def test_sums_of_attempts_stay_when_rows_go() -> None:
    """docs, USAGE_RETENTION_DAYS."""
    enter([fell_back(n, started_at=(NOON - timedelta(days=n)).timestamp()) for n in range(4)])
    assert erase(NOON - timedelta(days=1)) == 2
    assert sum(AttemptHour.objects.filter(backend="alpha").values_list("asked", flat=True)) == 4
    assert audit().differences == []
