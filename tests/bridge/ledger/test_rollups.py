"""What a row adds to the sums of its hour and of its session."""

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.ledger import rollups
from bridge.ledger.record import CallVerdict, Record
from bridge.ledger.rows import UsageRow, row_of
from bridge.models import UsageHour, UsageRecord
from bridge.models.latency import BOUNDS, BUCKETS, bucket, percentile
from bridge.models.usage import SumColumns
from bridge.outcomes import outcome

NOON = datetime(2026, 11, 22, 12, 30, 15, 250000, tzinfo=UTC)


def a_row(**fields: Any) -> UsageRow:
    told = {"request_id": "req_1", "started_at": NOON.timestamp(), "status": 200}
    return row_of(Record(**{**told, **fields}))


def amounts(**fields: Any) -> dict[str, int]:
    """What such a request adds, less the noughts."""
    found = rollups.amounts([a_row(**fields)])
    return {name: int(count) for name, count in found.items() if count}


def test_every_column_of_the_sums_is_added_to() -> None:
    assert rollups.Added.__struct_fields__ == SumColumns.NAMES
    columns = {field.attname for field in UsageRecord._meta.concrete_fields}
    assert {*rollups.COLUMNS} <= columns


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, "answered"), (400, "refused"), (429, "refused"), (499, "abandoned"), (529, "error")],
)
def test_every_row_has_one_outcome(status: int, told: str) -> None:
    found = amounts(status=status)
    counted = {"refused": "refused", "abandoned": "abandoned", "errors": "error"}
    assert outcome(status) == told
    assert {said for name, said in counted.items() if name in found} == {told} - {"answered"}


def test_answered_request_adds_everything() -> None:
    """docs, What is recorded."""
    told = dict.fromkeys(("input_tokens", "cache_read_tokens", "cache_write_tokens"), 10)
    found = amounts(
        **told,
        output_tokens=30,
        thinking_tokens=20,
        cost_nano_usd=7,
        estimated=False,
        streamed=True,
        attempts=2,
        repaired=["x", "y"],
        prompt_bytes=100,
        repeated_bytes=60,
        tools_added=3,
        tool_changes=["3 tools added", "1 tool removed"],
        verdicts=[
            CallVerdict(f"call_{place}", "Bash", outcome)
            for place, outcome in enumerate(["flagged", "skipped", "skipped", "unavailable"])
        ],
        first_token_after=0.5,
        seconds=2.0,
    )
    assert found == {
        "requests": 1,
        "streamed": 1,
        **told,
        "output_tokens": 30,
        "thinking_tokens": 20,
        "cost_nano_usd": 7,
        "repaired": 1,
        "retried": 1,
        "prompt_bytes": 100,
        "repeated_bytes": 60,
        "tool_lists_changed": 1,
        "tools_added": 3,
        "calls_flagged": 1,
        "calls_skipped": 2,
        "calls_unanswered": 1,
        "duration_ms": 2000,
        "first_tokens": 1,
        "first_token_ms": 500,
        "generated_tokens": 30,
        "generation_ms": 1500,
    }


@pytest.mark.parametrize("status", [400, 499, 500])
def test_times_of_requests_without_an_answer_do_not_count(status: int) -> None:
    """Ours: a thousand refusals in a millisecond each are no fast model."""
    found = amounts(status=status, first_token_after=0.5, seconds=2.0)
    assert not {name for name in found if name.endswith("_ms") or "first" in name}
    assert not rollups.latencies([a_row(status=status, seconds=2.0)])


def test_tokens_without_a_price_or_a_report_are_told_apart() -> None:
    """Ours: a refused request has neither, and needs neither."""
    unknown = amounts(input_tokens=1, estimated=True)
    assert (unknown["unpriced"], unknown["estimated"]) == (1, 1)
    assert not {"unpriced", "estimated"} & amounts(status=400).keys()
    assert (
        not {"unpriced", "estimated"}
        & amounts(input_tokens=1, cost_nano_usd=0, estimated=False).keys()
    )


def test_guessed_keys_do_not_fill_the_reports() -> None:
    """docs: a forwarded key that was refused with 401 is summed under no key."""
    guessed = a_row(status=401, key="key-abc", fingerprint="abc")
    issued = a_row(status=401, key="team", key_id=7)
    assert (rollups.payer(guessed), guessed.fingerprint) == ((0, "", ""), "abc")
    assert rollups.payer(issued) == (7, "", "team")


# --- latency -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "number"),
    [(0.0, 0), (0.05, 0), (0.051, 1), (1.0, 8), (1.001, 9), (300.0, 23), (300.1, 24), (1e9, 24)],
)
def test_time_falls_into_one_bucket(seconds: float, number: int) -> None:
    assert (bucket(seconds), BUCKETS) == (number, 25)


def test_histograms_are_columns_of_the_hour() -> None:
    row = a_row(first_token_after=0.4, seconds=1.2)
    assert rollups.latencies([row]) == {"first_token_06": 1, "duration_09": 1}
    names = {field.name for field in UsageHour._meta.fields}
    assert names >= {*UsageHour.FIRST_TOKEN, *UsageHour.DURATION}


@pytest.mark.parametrize("share", [0.5, 0.95, 0.99])
def test_percentile_is_close_to_the_true_one(share: float) -> None:
    """Ours: p50 and p95 come from the sums alone."""
    chance = random.Random(1)
    times = sorted(chance.lognormvariate(0.5, 1.0) for _ in range(5000))
    counts = [0] * BUCKETS
    for seconds in times:
        counts[bucket(seconds)] += 1
    found = percentile(counts, share)
    assert found == pytest.approx(times[int(share * len(times))], rel=0.08)


def test_percentile_of_nothing_and_beyond_all_bounds() -> None:
    assert percentile([0] * BUCKETS, 0.5) is None
    assert percentile([0] * (BUCKETS - 1) + [3], 0.5) == BOUNDS[-1]
