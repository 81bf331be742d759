"""Why did requests fail? What was refused or failed in a time, by message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import and_

from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.display import formatting
from dashboard.display.cells import StateCell
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, Link, page
from dashboard.queries import requests
from dashboard.queries.finding import faults, known_names
from dashboard.queries.finding.faults import FaultGroup, Faults
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports, request_filters
from dashboard.tables.row_columns import TONES
from dashboard.tables.table import Column, InMemory, Table

EMPTY = "Nothing was refused and nothing failed in this time."
SIGNS = "# stands for numbers and ids, … for names and what is quoted."
OUTCOMES = ("", "refused", "error")


class Chosen(InMemory[FaultGroup]):
    """Rows that the database has filtered already."""

    def passing(self, filters: dict[Column, str]) -> list[FaultGroup]:
        return list(self.rows)


@require_safe
@for_readers
def errors(request: HttpRequest) -> HttpResponseBase:
    """Ten queries at most, with the three of the login. Takes the filters of the requests."""
    frame = Frame(request, comparing=False)
    names = known_names.read(request.user.pk or 0)
    filters = request_filters.request_filters(KnownKeys.read(), names, ())
    asked = {name: frame.asked[name] for name in filters if frame.asked.get(name)}
    columns = request_filters.columns(_columns(frame, asked), filters)
    conditions = [c.condition(asked[c.name]) for c in columns if c.name in asked]
    found = faults.grouped(frame.range, reduce(and_, conditions, Q()))
    source = Chosen(found.groups, lambda row: row.group)
    table = Table(
        frame, "Errors by message", columns, source, "-count", empty=EMPTY, note=_note(found)
    )
    return exports.answer(table) or page(
        request,
        "errors",
        frame,
        table=table,
        count=found.count,
        every_href=frame.to_requests({"outcome": "refused,error", **asked}),
        outcomes=_outcomes(frame),
        samples_href=frame.to("sampled"),
        horizon=requests.horizon(frame.range),
    )


def _outcomes(frame: Frame) -> list[Link]:
    asked = frame.asked.get("outcome", "")
    return [
        Link(word or "all", frame.here("after", outcome=word), word == asked) for word in OUTCOMES
    ]


def _note(found: Faults) -> str:
    groups, count = found.others
    words = [SIGNS] if found.groups else []
    if groups:
        few, whole = formatting.whole(groups), formatting.whole(count)
        words.append(f"{few} rarer messages of {whole} requests are left out.")
    return " ".join(words)


def _columns(frame: Frame, asked: Mapping[str, str]) -> list[Column]:
    def to_requests(row: FaultGroup) -> str:
        return frame.to_requests({**asked, "error_group": row.group})

    def outcome(row: FaultGroup) -> StateCell:
        return StateCell(row.outcome, TONES[row.outcome])

    return [
        Column(
            "message",
            "What clients received",
            "name",
            lambda row: row.message or "(no message)",
            link=to_requests,
        ),
        Column("count", "Requests", "count", link=to_requests),
        Column("outcome", "Outcome", "state", outcome),
        Column("status", "Status", "count"),
        Column("error_type", "Error type"),
        Column("first", "First", "time"),
        Column("last", "Last", "time"),
        Column("backends", "Backends", "names"),
        Column("models", "Models", "models"),
        Column("keys", "Keys", "count", hint="How many keys it happened to"),
        Column("group", "Group", shown=False),
    ]
