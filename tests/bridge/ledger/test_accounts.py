"""Whose use the ledger knows: of keys, people and teams, as it was when it was used."""

from __future__ import annotations

import time
from typing import Any

import pytest

from bridge.keys.limits import AccountKind, AccountRef, QuotaUsage
from bridge.ledger.audit import audit
from bridge.ledger.record import Record
from bridge.ledger.spending import used_now
from bridge.ledger.writer import enter
from bridge.models import UsageHour, UsageRecord

pytestmark = pytest.mark.django_db

KEY = AccountRef(AccountKind.KEY, 7)
ANN = AccountRef(AccountKind.PERSON, 2)
BLUE = AccountRef(AccountKind.TEAM, 7)
RED = AccountRef(AccountKind.TEAM, 8)


def a_record(number: int, **fields: Any) -> Record:
    told = {"status": 200, "key": "laptop", "key_id": 7, "person": "ann", "person_id": 2}
    used = {"team": "blue", "team_id": 7, "input_tokens": 10, "cost_nano_usd": 100}
    return Record(**{"request_id": f"req_{number}", **told, **used, **fields})


def test_row_and_hour_say_for_whom_the_key_counted() -> None:
    enter([a_record(1)])
    for row in (UsageRecord.objects.get(), UsageHour.objects.get()):
        assert (row.key, row.person_id, row.person, row.team_id, row.team) == (
            ("laptop", 2, "ann", 7, "blue")
        )


def test_key_that_moves_within_an_hour_counts_for_both_teams() -> None:
    now = time.time()
    moved = {"team": "red", "team_id": 8, "started_at": now}
    enter([a_record(1, started_at=now), a_record(2, **moved), a_record(3, **moved)])
    assert used_now([KEY, ANN, BLUE, RED], "month") == {
        KEY: QuotaUsage(300, 30),
        ANN: QuotaUsage(300, 30),
        BLUE: QuotaUsage(100, 10),
        RED: QuotaUsage(200, 20),
    }
    assert audit().differences == []


def test_what_nobody_asked_for_is_not_told() -> None:
    enter([a_record(1)])
    assert used_now([RED, AccountRef(AccountKind.PERSON, 7)], "total") == {}
    assert used_now([BLUE], "total") == {BLUE: QuotaUsage(100, 10)}


def test_latest_name_of_a_team_stands_in_its_sums() -> None:
    enter([a_record(1)])
    enter([a_record(2, team="navy")])
    assert (UsageHour.objects.get().team, UsageHour.objects.get().requests) == ("navy", 2)


def test_refused_stranger_counts_for_nobody() -> None:
    enter([Record("req_1", status=401, fingerprint="abc", key="key-abc")])
    row = UsageHour.objects.get()
    assert (row.key, row.person_id, row.team_id, row.person, row.team) == ("", 0, 0, "", "")
