"""The search of every page: requests and sessions by their ids or the beginning of them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from bridge.models import UsageSession
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries.finding import lookup
from dashboard.queries.keys import KnownKeys
from dashboard.tables import request_columns
from dashboard.tables.table import Column, InMemory, Table


@require_safe
@for_readers
def find(request: HttpRequest) -> HttpResponse:
    """Straight to what is found where it is one thing. Nine queries at most."""
    frame = Frame(request, comparing=False)
    text = "".join(request.GET.get("q", "").replace("\x00", "").split())[: lookup.LONGEST]
    if not text:
        return redirect(frame.to("requests"))
    requests = lookup.requests(text)
    sessions = [] if len(requests) == 1 else lookup.sessions(text)
    if len(requests) == 1 and not sessions:
        return redirect(frame.to("request", requests[0].request_id))
    if len(sessions) == 1 and not requests:
        return redirect(frame.to("session", sessions[0].pk))
    if not requests and not sessions:
        return nothing(request, frame, text)
    tables: list[Table[Any]] = []
    if requests:
        columns = request_columns.plain(frame)
        source = InMemory(requests, lambda row: f"{row.pk}")
        tables.append(Table(frame, "Requests", columns, source, "-time", "found"))
    if sessions:
        tables.append(_sessions(frame, sessions))
    return page(request, "found", frame, text=text, tables=tables, most=lookup.MOST)


def nothing(request: HttpRequest, frame: Frame, text: str) -> HttpResponse:
    """Why there may be no row of it."""
    return page(
        request,
        "request_missing",
        frame,
        404,
        request_id=text,
        days=settings.USAGE_RETENTION_DAYS,
        every_href=frame.to("requests"),
        live_href=frame.to_known("live"),
    )


def _sessions(frame: Frame, rows: list[UsageSession]) -> Table[UsageSession]:
    known = KnownKeys.read()
    columns = [
        Column("session", "Session", link=lambda row: frame.to("session", row.pk)),
        Column("last_at", "Last turn", "time"),
        Column("requests", "Turns", "count"),
        Column(
            "key", "Key", value=lambda row: known.owner(row.key_id, row.fingerprint, row.key).shown
        ),
    ]
    return Table(
        frame, "Sessions", columns, InMemory(rows, lambda row: f"{row.pk}"), "-last_at", "sessions"
    )
