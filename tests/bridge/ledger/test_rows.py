"""What one record becomes: a row that every database takes."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.ledger import rows
from bridge.ledger.record import Record
from bridge.ledger.rows import UsageRow, row_of
from bridge.models import UsageRecord

NOON = datetime(2026, 11, 22, 12, 30, 15, 250000, tzinfo=UTC)


def a_record(**fields: Any) -> Record:
    told = {"request_id": "req_1", "started_at": NOON.timestamp(), "status": 200}
    return Record(**{**told, **fields})


def test_row_has_every_column_of_the_table() -> None:
    """Ours: a column that is forgotten would stay empty, without a word."""
    columns = {field.attname for field in UsageRecord._meta.concrete_fields}
    assert {*UsageRow.__struct_fields__} == columns - {"id"}


def test_columns_hold_what_is_looked_for_and_detail_the_rest() -> None:
    """design, The ledger: one row for each request."""
    row = row_of(
        a_record(
            key="team",
            key_id=7,
            fingerprint="abc",
            model="vendor/large",
            attempts=2,
            repaired=["arguments", "names"],
            cost_nano_usd=5,
            first_token_after=0.1234,
            seconds=2.5,
            route=("alias claude-*",),
            connected_after=0.01,
            error="no",
            tools=["Read"],
        )
    )
    assert (row.time, row.key_id, row.key, row.model) == (NOON, 7, "team", "vendor/large")
    assert (row.attempts, row.repairs, row.cost_nano_usd) == (2, 2, 5)
    assert (row.error, row.error_group) == ("no", "")
    assert (row.first_token_ms, row.duration_ms, row.thinking_tokens) == (123, 2500, None)
    assert json.loads(row.detail) == {
        "route": ["alias claude-*"],
        "connected_after": 0.01,
        "tools": ["Read"],
        "repaired": ["arguments", "names"],
    }


def test_issued_key_goes_by_its_number_and_another_by_its_fingerprint() -> None:
    """Ours: an issued key stays the same when it is rotated."""
    issued = row_of(a_record(key="team", key_id=7, fingerprint="abc"))
    other = row_of(a_record(key="key-abc", fingerprint="abc"))
    assert (issued.key_id, issued.fingerprint) == (7, "")
    assert (other.key_id, other.fingerprint) == (0, "abc")


@pytest.mark.parametrize(
    ("fields", "column", "value"),
    [
        ({"client": "a\0b\x1b[31m\n"}, "client", "a b [31m "),
        ({"session": "\ud83d"}, "session", " "),
        ({"model": "m" * 500}, "model", "m" * 300),
        ({"input_tokens": -5}, "input_tokens", 0),
        ({"output_tokens": 10**30}, "output_tokens", rows.MOST),
        ({"thinking_tokens": -1}, "thinking_tokens", 0),
        ({"cost_nano_usd": 10**30}, "cost_nano_usd", rows.MOST_COST),
        ({"status": 99999}, "status", 999),
        ({"attempts": 99999}, "attempts", 999),
        ({"seconds": 1e12}, "duration_ms", 2**31 - 1),
        ({"error": "a\0b"}, "error", "a b"),
        ({"error": "a\x85b\x7f"}, "error", "a b "),
        ({"error": "e" * 500}, "error", "e" * 300),
        ({"path": 'say "no"\0'}, "detail", '{"path":"say \\"no\\" "}'),
        ({"tools": ["\0"]}, "detail", '{"tools":[" "]}'),
        ({"auth_after": 0.0}, "detail", '{"auth_after":0.0}'),
        ({"sample": {"answer": "a\nb\0"}}, "detail", '{"sample":{"answer":"a\\nb"}}'),
    ],
)
def test_whatever_a_record_says_a_database_takes_it(
    fields: dict[str, Any], column: str, value: object
) -> None:
    """Ours: one strange record must not hold up all that come after it."""
    assert getattr(row_of(a_record(**fields)), column) == value
