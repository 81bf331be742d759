"""Every request of a time, newest first, by whatever tells requests apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from bridge.error_groups import folded
from bridge.models import UsageRecord
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import requests
from dashboard.queries.finding import known_names
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports, request_columns, request_filters
from dashboard.tables.filter_bar import FilterBar
from dashboard.tables.keyset import RecentRows
from dashboard.tables.request_filters import RequestFilter
from dashboard.tables.table import Column, Table

OF_ERRORS = ("error", "error_group", "error_type")
LEFT_OUT = ("output", "cost", "first_token", "prompt")
"""Columns that make room for messages."""


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """Ten queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    if asked := request.GET.get("id", ""):
        return redirect(frame.to("find", q=asked))
    keys, names = KnownKeys.read(), known_names.read(request.user.pk or 0)
    backends = [backend.name for backend in frame.state.backends]
    filters = request_filters.request_filters(keys, names, backends)
    table = Table(
        frame,
        "Requests",
        request_filters.columns(_columns(frame, keys), filters),
        RecentRows(
            requests.within(frame.range),
            request_filters.indexed(filters),
            request_filters.EXACTLY,
        ),
        "-time",
        empty="Nothing came in this time. A request gets its line a second after its end.",
    )
    if (file := exports.answer(table)) is not None:
        return file
    table.note = _note(table)
    return page(
        request,
        "requests",
        frame,
        table=table,
        errors_href=frame.to("errors", **_errors_alike(frame, filters)),
        bar=FilterBar(frame, table, filters, names.views),
        horizon=requests.horizon(frame.range) if not table.has_more else None,
    )


def _errors_alike(frame: Frame, filters: Mapping[str, RequestFilter]) -> dict[str, str]:
    """The filters that hold on the page of errors too."""
    return {name: frame.asked[name] for name in filters if frame.asked.get(name)}


def _columns(frame: Frame, known: KnownKeys) -> list[Column]:
    columns = [*request_columns.what(frame), *_whose(known), *request_columns.how_much()]
    if not _is_of_errors(frame):
        return [*columns, request_columns.MESSAGE]
    place = next(n for n, column in enumerate(columns) if column.name == "error_type") + 1
    columns.insert(place, replace(request_columns.MESSAGE, shown=True))
    return [replace(c, shown=c.shown and c.name not in LEFT_OUT) for c in columns]


def _is_of_errors(frame: Frame) -> bool:
    """Whether the address asks for requests that were refused or failed."""
    outcomes = set(frame.asked.get("outcome", "answered").split(","))
    status = frame.asked.get("status", "")[:1]
    return (
        outcomes <= {"refused", "error"}
        or status in ("4", "5")
        or any(frame.asked.get(name) for name in OF_ERRORS)
    )


def _note(table: Table[UsageRecord]) -> str:
    """What the errors of one group have in common."""
    if not (table.frame.asked.get("error_group") and table.page.rows):
        return ""
    row = table.page.rows[0]
    message = folded(row.error, (row.asked_model, row.model))
    return f"Errors that say: {message or 'nothing'}"


def _whose(known: KnownKeys) -> list[Column]:
    def key(row: UsageRecord) -> str:
        return known.owner(row.key_id, row.fingerprint, row.key).shown

    return [
        Column("key", "Key", value=key, sorts=False),
        Column("model", "Model", "model", sorts=False),
        Column("backend", "Backend", sorts=False),
        Column("session", "Session", "id", sorts=False),
        *request_columns.purpose(),
        *request_columns.also_filed(),
    ]
