"""Lists that come row by row from the ledger: requests that failed, and sessions."""

from __future__ import annotations

from django.db.models import Q

from bridge.models import UsageRecord, UsageSession
from dashboard.display.cells import StateCell
from dashboard.pages.page import Frame
from dashboard.tables.keyset import Rows
from dashboard.tables.table import PAGE, Column, Table
from dashboard.usage.totals import Totals

TONES = {"answered": "good", "refused": "warn", "abandoned": "quiet", "error": "bad"}


def outcome(row: UsageRecord) -> StateCell:
    return StateCell(row.outcome, TONES[row.outcome])


def totals(row: UsageSession) -> Totals:
    """The sums of a session."""
    return Totals.of([vars(row)])


CACHED = Column(
    "cached_share",
    "Cached",
    "share",
    lambda row: totals(row).cached_share,
    "How much of the prompts the backend read from its cache",
    sorts=False,
)
COST = Column("cost", "Cost", "money", lambda row: totals(row).cost, field="cost_nano_usd")
"""Both are of a session: of its sums."""


def session_columns(frame: Frame) -> list[Column]:
    return [
        Column(
            "session",
            "Session",
            "text",
            link=lambda row: frame.to_known("session", row.pk),
            field="session",
        ),
        Column("last_at", "Last turn", "time", field="last_at"),
        Column("requests", "Turns", "count", field="requests"),
        Column(
            "tokens",
            "Tokens",
            "tokens",
            lambda row: totals(row).tokens,
            sorts=False,
        ),
        CACHED,
        Column(
            "largest_context",
            "Longest context",
            "tokens",
            hint="Tokens of the longest prompt with its answer",
            field="largest_context",
        ),
        COST,
    ]


def errors(frame: Frame, used: Q, limit: int = PAGE) -> Table[UsageRecord]:
    """The requests among those of `used` that were refused, abandoned or failed."""
    rows = UsageRecord.objects.filter(
        used, status__gte=400, time__gte=frame.range.start, time__lt=frame.range.end
    )
    return Table(
        frame,
        "What went wrong",
        error_columns(frame),
        Rows(rows),
        "-time",
        "errors",
        empty="Nothing was refused, abandoned or failed in this time.",
        limit=limit,
    )


def error_columns(frame: Frame) -> list[Column]:
    return [
        Column("time", "Time", "time", field="time"),
        Column("outcome", "Outcome", "state", outcome, sorts=False),
        Column("status", "Status", "count", filter=True, field="status"),
        Column("error_type", "Type", "text", filter=True, field="error_type"),
        Column("model", "Model", "text", filter=True, field="model"),
        Column(
            "message",
            "What the client received",
            "text",
            lambda row: row.error,
            sorts=False,
        ),
        Column(
            "request_id",
            "Request",
            "text",
            link=lambda row: frame.to_known("request", row.request_id),
            sorts=False,
        ),
    ]
