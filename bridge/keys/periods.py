"""The periods of budgets and token quotas, by the calendar of UTC. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

Period = Literal["day", "week", "month", "total"]
"""A week begins on Monday. `total` never begins anew: what is prepaid is used up once."""

_NAMES: Mapping[Period, str] = {
    "day": "%Y-%m-%d",
    "week": "%G-W%V",
    "month": "%Y-%m",
    "total": "total",
}


def period_name(now: float, period: Period) -> str:
    """2026-03-01, 2026-W09 or 2026-03: the period that holds this moment."""
    return datetime.fromtimestamp(now, UTC).strftime(_NAMES[period])


def period_begin(now: float, period: Period) -> datetime | None:
    """The first moment of the period that holds `now`; None where it holds all that ever was."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins: Mapping[Period, datetime | None] = {
        "day": day,
        "week": day - timedelta(days=day.weekday()),
        "month": day.replace(day=1),
        "total": None,
    }
    return begins[period]


def period_end(now: float, period: Period) -> float:
    """The Unix seconds at which the next period begins; infinite for one that never ends."""
    begin = period_begin(now, period)
    if begin is None:
        return math.inf
    ends: Mapping[Period, datetime] = {
        "day": begin + timedelta(days=1),
        "week": begin + timedelta(days=7),
        "month": (begin + timedelta(days=31)).replace(day=1),
    }
    return ends[period].timestamp()
