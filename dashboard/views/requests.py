"""Every request of a time, newest first; a click on a value shows those that share it."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import requests
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports, request_columns
from dashboard.tables.keyset import Rows
from dashboard.tables.table import Column, Table

LONGEST_ID = 64


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """Seven queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    if asked := "".join(request.GET.get("id", "").split())[:LONGEST_ID]:
        return redirect(frame.to("request", asked.replace("/", "-")))
    known = KnownKeys.read()
    table = Table(
        frame,
        "Requests",
        [*request_columns.what(frame), *_whose(known), *request_columns.how_much()],
        Rows(requests.within(frame.range)),
        "-time",
        empty="Nothing came in this time. A request gets its line a second after its end.",
    )
    return exports.answer(table) or page(request, "requests", frame, table=table)


def _whose(known: KnownKeys) -> list[Column]:
    def key(row: UsageRecord) -> str:
        return known.owner(row.key_id, row.fingerprint, row.key).shown

    def of_key(name: str) -> Q:
        return requests.of_key(known, name)

    return [
        Column("key", "Key", value=key, filter=True, where=of_key, sorts=False),
        Column("model", "Model", "model", filter=True, sorts=False),
        Column("backend", "Backend", filter=True, sorts=False),
        Column("session", "Session", "id", filter=True, sorts=False),
        *request_columns.purpose(),
    ]
