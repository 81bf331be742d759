"""Latency as counts in fixed buckets: the only form of it that adds up over hours, keys and models.

Each bucket is a column of its own, so that a database sums them; medians and the like come from
the sums, as a rule to within a few per cent, and never further off than a bucket is wide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

BOUNDS = (
    *(0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 0.75),
    *(1.0, 1.5, 2.0, 3.0, 5.0, 7.5),
    *(10.0, 15.0, 20.0, 30.0, 50.0, 75.0),
    *(100.0, 150.0, 200.0, 300.0),
)
"""Seconds: the longest time that each bucket takes. One more bucket takes what lasted longer."""

BUCKETS = len(BOUNDS) + 1


def columns(prefix: str) -> tuple[str, ...]:
    """The names of one histogram's columns, shortest times first."""
    return tuple(f"{prefix}_{number:02}" for number in range(BUCKETS))


HEADERS = columns("headers")
FIRST_TOKEN = columns("first_token")
DURATION = columns("duration")


def bucket(seconds: float) -> int:
    """The number of the bucket that this time belongs to."""
    return bisect_left(BOUNDS, seconds)


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The time, in seconds, within which that share (0 to 1) of the requests was done.

    `counts` are the sums of one histogram's columns. None when nothing was counted. What lies
    beyond the last bound is reported as that bound.
    """
    wanted = share * sum(counts)
    if not any(counts):
        return None
    below = 0
    for number, count in enumerate(counts[:-1]):
        if count and below + count >= wanted:
            least = BOUNDS[number - 1] if number else 0.0
            return least + (BOUNDS[number] - least) * (wanted - below) / count
        below += count
    return BOUNDS[-1]
