"""People and teams: who uses what together, at what cost, near which budget."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.pages.tokens_by_name import Charted, tokens_by_name
from dashboard.queries.people import accounts
from dashboard.queries.people.accounts import AccountColumns, AccountUsage
from dashboard.queries.sums.bars import Bars
from dashboard.tables import exports, shared_columns
from dashboard.tables.shared_columns import BarsOf
from dashboard.tables.table import Column, InMemory, Table


@require_safe
@for_readers
def people(request: HttpRequest) -> HttpResponseBase:
    """Everybody whose keys were used, or who has limits."""
    return _answer(request, accounts.PEOPLE, "People", "Person", "teams")


@require_safe
@for_readers
def teams(request: HttpRequest) -> HttpResponseBase:
    """All teams, and deleted ones that used something."""
    return _answer(request, accounts.TEAMS, "Teams", "Team", "people")


def _answer(
    request: HttpRequest, of: AccountColumns, title: str, one: str, other: str
) -> HttpResponseBase:
    """`other`: the page that the heading leads to."""
    frame = Frame(request)
    rows, bars = (
        accounts.used(frame.range, of, frame.now, frame.compares),
        Bars(frame.range, [of.id]),
    )
    source = InMemory(rows, lambda use: f"{use.number}")
    columns = _columns(frame, rows, of, one, lambda use: bars.of((use.number,)))
    table = Table(frame, title, columns, source, "-tokens")
    bars.read((use.number,) for use in table.page.rows)
    if file := exports.answer(table):
        return file
    known = any(use.number for use in rows)
    return page(
        request,
        "accounts",
        frame,
        table=table,
        chart=tokens_by_name(
            frame, f"Tokens by {one.lower()}", [*map(_charted, rows)], (), bars, of.id
        ),
        title=title,
        known=known,
        other_href=frame.to(other),
    )


def _charted(use: AccountUsage) -> Charted:
    return Charted(use.shown, f"{use.number}", (use.number,), use.sums.total.tokens)


def _columns(
    frame: Frame, rows: Sequence[AccountUsage], of: AccountColumns, title: str, bars: BarsOf
) -> list[Column]:
    """Budgets have a column where there are any."""

    def asked(use: AccountUsage) -> dict[str, str]:
        return {of.id: f"{use.number}"}

    has_budgets = any(use.meter for use in rows)
    return [
        Column(
            of.name,
            title,
            "name",
            lambda use: use.shown,
            link=lambda use: frame.to_requests(asked(use)),
        ),
        *shared_columns.drilled(frame, shared_columns.use(frame, bars), asked),
        *([_BUDGET] if has_budgets else []),
        shared_columns.LAST_USED,
    ]


_BUDGET = Column(
    "budget",
    "Budget",
    "meter",
    lambda use: use.meter,
    "The one that is spent most, in the running day, week or month of UTC",
)
