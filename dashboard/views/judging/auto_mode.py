"""Auto mode: verdicts on tool calls, and what judging them cost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.display import formatting
from dashboard.display.cards import Card
from dashboard.display.formatting import NOTHING, Figure
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import judging
from dashboard.queries.judging import JudgeUse, JudgingReport, KeyJudging
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import Totals

SHOWN: tuple[tuple[str, str, str], ...] = (
    ("calls_flagged", "Flagged", "The judge took them for dangerous; the client denied them"),
    ("calls_not_flagged", "Not flagged", "The judge passed them"),
    ("calls_skipped", "Skipped", "No judge was needed: the client decided by its own rules"),
    ("calls_unanswered", "Unanswered", "No clear verdict came in time"),
)
"""Column of the ledger, its title, what it means."""


@require_safe
@for_readers
def auto_mode(request: HttpRequest) -> HttpResponseBase:
    """Ten queries at most, with the two of the login."""
    frame = Frame(request, comparing=False)
    found = judging.judging(frame.range, KnownKeys.read())
    tables: list[Table[Any]] = [_keys(frame, found), _models(frame, found)]
    return exports.answer(*tables) or page(
        request,
        "auto_mode",
        frame,
        cards=_cards(found),
        tables=tables,
        is_empty=not found.by_key,
    )


def _cards(found: JudgingReport) -> list[Card]:
    calls, judges = found.calls, found.judges
    parts = tuple((title.lower(), _count(calls[name])) for name, title, _ in SHOWN if calls[name])
    asked = calls.checks - calls["calls_skipped"]
    return [
        Card("Checks", _count(calls.checks), parts, hint="Tool calls that clients asked about"),
        _share("Flagged", calls["calls_flagged"], asked, "Of the calls that needed a judge"),
        _share("Unanswered", calls["calls_unanswered"], asked, "Of the calls that needed a judge"),
        _cost(judges, asked),
    ]


def _count(number: int) -> Figure:
    return formatting.tokens(number)


def _share(title: str, part: int, of: int, hint: str) -> Card:
    figure = formatting.share(part / of) if of else NOTHING
    return Card(title, figure, (("calls", _count(part)),) if part else (), hint=hint)


def _cost(judges: Totals, asked: int) -> Card:
    parts = [("requests", _count(judges.requests)), ("tokens", formatting.tokens(judges.tokens))]
    if judges.cost and asked:
        parts.append(("a call", formatting.money(judges.cost / asked)))
    hint = ""
    if judges["unpriced"]:
        hint = f"without {formatting.requests(judges['unpriced'])} whose price is not known"
    figure = NOTHING if judges.cost is None else formatting.money(judges.cost)
    return Card("Cost of judging", figure, tuple(parts) if judges.requests else (), hint=hint)


def _sum(name: str) -> Callable[[KeyJudging], int]:
    return lambda row: row.calls[name]


def _keys(frame: Frame, found: JudgingReport) -> Table[KeyJudging]:
    def href(row: KeyJudging) -> str:
        return frame.to("key", row.owner.slug)

    return Table(
        frame,
        "By key",
        [
            Column("key", "Key", "name", lambda row: row.owner.shown, link=href),
            Column("checks", "Checks", "count", lambda row: row.calls.checks),
            *(Column(name, title, "count", _sum(name), hint) for name, title, hint in SHOWN),
            Column("cost", "Cost of judging", "money", lambda row: row.judges.cost),
        ],
        InMemory(found.by_key, lambda row: row.owner.slug),
        "-checks",
        "keys",
        empty="Every key whose calls were checked gets a line here.",
    )


def _models(frame: Frame, found: JudgingReport) -> Table[JudgeUse]:
    def href(row: JudgeUse) -> str:
        return frame.to("model", row.model) if row.model else ""

    def took(row: JudgeUse) -> float | None:
        answered = row.judges.answered
        return row.judges["duration_ms"] / answered if answered else None

    return Table(
        frame,
        "By judge",
        [
            Column("model", "Judge", "name", lambda row: row.model or "no model", link=href),
            Column("backend", "Backend", "text"),
            Column("requests", "Requests", "count", lambda row: row.judges.requests),
            Column(
                "failed",
                "Failed",
                "count",
                lambda row: row.judges.requests - row.judges.answered,
                "Requests to the judge that were refused, failed or came too late",
            ),
            Column("took", "Took", "ms", took, "The mean of those that were answered"),
            Column("tokens", "Tokens", "tokens", lambda row: row.judges.tokens),
            Column("cost", "Cost", "money", lambda row: row.judges.cost),
        ],
        InMemory(found.by_model, lambda row: f"{row.backend} {row.model}"),
        "-requests",
        "judges",
        empty="Every judge model that was asked gets a line here.",
    )
