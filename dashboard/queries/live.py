"""The last minutes as the ledger has them: what a live page begins with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bridge.models import UsageRecord
from bridge.outcomes import outcome

SPAN = timedelta(minutes=5)
BUCKET_SECONDS = 5
LONGEST = timedelta(minutes=15)
"""Requests that took longer are missing in what a page begins with."""
MOST_ROWS = 20_000
MOST_LISTED = 30
_COLUMNS = (
    "request_id",
    "time",
    "duration_ms",
    "status",
    "error_type",
    "key",
    "key_id",
    "fingerprint",
    "asked_model",
    "model",
    "backend",
    "session",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost_nano_usd",
)


@dataclass(frozen=True, slots=True)
class _Ended:
    """A request that ended. `at` in Unix seconds."""

    at: float
    outcome: str
    row: dict[str, Any]

    @property
    def prompt(self) -> int:
        kinds = ("input_tokens", "cache_read_tokens", "cache_write_tokens")
        return sum(self.row[kind] for kind in kinds)

    def document(self) -> dict[str, Any]:
        """As `bridge.live.messages.Finished` tells it."""
        row = self.row
        return {
            "id": row["request_id"],
            "at": round(self.at, 3),
            "seconds": row["duration_ms"] / 1000,
            "outcome": self.outcome,
            "status": row["status"],
            "error_type": row["error_type"],
            "key": row["key"],
            "key_id": row["key_id"],
            "fingerprint": row["fingerprint"],
            "model": row["model"] or row["asked_model"],
            "backend": row["backend"],
            "session": row["session"],
            "input_tokens": self.prompt,
            "output_tokens": row["output_tokens"],
            "cost_nano_usd": row["cost_nano_usd"],
        }


def recent(now: datetime) -> dict[str, Any]:
    """What ended in the last five minutes: the newest one by one, all of it in buckets.

    {"now": 1767225600.0, "finished": [...],
     "buckets": {"1767225595": {"answered": 3, "tokens": 9000}}}

    A bucket is named by its first second, and has the number of each outcome. One query.
    """
    rows = UsageRecord.objects.filter(time__gte=now - SPAN - LONGEST).order_by("-time")
    ended = [_ended(row) for row in rows.values(*_COLUMNS)[:MOST_ROWS]]
    since = (now - SPAN).timestamp()
    shown = sorted((one for one in ended if one.at >= since), key=lambda one: -one.at)
    return {
        "now": now.timestamp(),
        "finished": [one.document() for one in shown[:MOST_LISTED]],
        "buckets": _buckets(shown),
    }


def _ended(row: dict[str, Any]) -> _Ended:
    at = row["time"].timestamp() + row["duration_ms"] / 1000
    return _Ended(at, outcome(row["status"]), row)


def _buckets(ended: Iterable[_Ended]) -> dict[str, dict[str, int]]:
    buckets: dict[str, dict[str, int]] = {}
    for one in ended:
        start = int(one.at // BUCKET_SECONDS * BUCKET_SECONDS)
        bucket = buckets.setdefault(str(start), {})
        bucket[one.outcome] = bucket.get(one.outcome, 0) + 1
        bucket["tokens"] = bucket.get("tokens", 0) + one.prompt + one.row["output_tokens"]
    return buckets
