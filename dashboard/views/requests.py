"""Every request of a time, newest first; a click on a value shows those that share it."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import requests
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports
from dashboard.tables.keyset import Rows
from dashboard.tables.row_columns import outcome
from dashboard.tables.table import Column, Table

LONGEST_ID = 64


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponse:
    """Seven queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    if asked := "".join(request.GET.get("id", "").split())[:LONGEST_ID]:
        return redirect(frame.to("request", asked.replace("/", "-")))
    known = KnownKeys.read()
    table = Table(
        frame,
        "Requests",
        [*_what(frame), *_whose(known), *_how_much()],
        Rows(requests.within(frame.range)),
        "-time",
        empty="Nothing came in this time. A request gets its line a second after its end.",
    )
    return exports.answer(table) or page(request, "requests", frame, table=table)


def _what(frame: Frame) -> list[Column]:
    def to_request(row: UsageRecord) -> str:
        return frame.to("request", row.request_id)

    return [
        Column("time", "Time", "time", link=to_request),
        Column(
            "outcome",
            "Outcome",
            "state",
            outcome,
            filter=True,
            where=requests.of_outcome,
            sorts=False,
        ),
        Column("status", "Status", "count", filter=True),
        Column("error_type", "Error", filter=True, sorts=False),
    ]


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
        Column(
            "request_class",
            "Class",
            value=lambda row: row.request_class or None,
            hint="What it was for",
            filter=True,
            where=requests.of_class,
            sorts=False,
        ),
        *_purpose(),
    ]


def _purpose() -> list[Column]:
    """What files have and links filter by, and the page has no room for."""
    return [
        Column("agent_type", "Agent type", filter=True, sorts=False, shown=False),
        Column("agent_id", "Agent", filter=True, sorts=False, shown=False),
        Column("parent_agent_id", "Parent agent", sorts=False, shown=False),
        Column("prompt_id", "Prompt", filter=True, sorts=False, shown=False),
        Column("compaction", "Compaction", filter=True, sorts=False, shown=False),
        Column("compacted", "Compacted", filter=True, sorts=False, shown=False),
        Column(
            "tool_milliseconds",
            "Ran before",
            "tool_times",
            lambda row: row.tool_milliseconds or None,
            sorts=False,
            shown=False,
        ),
    ]


def _how_much() -> list[Column]:
    return [
        Column(
            "prompt",
            "Prompt",
            "tokens",
            lambda row: row.input_tokens + row.cache_read_tokens + row.cache_write_tokens,
            hint="Tokens of the whole prompt, cached ones too",
            sorts=False,
        ),
        Column("output", "Answer", "tokens", lambda row: row.output_tokens, field="output_tokens"),
        Column("cost", "Cost", "money", lambda row: row.cost_nano_usd, field="cost_nano_usd"),
        Column(
            "first_token",
            "First token",
            "ms",
            lambda row: row.first_token_ms,
            field="first_token_ms",
        ),
        Column("duration", "In all", "ms", lambda row: row.duration_ms, field="duration_ms"),
        Column("request_id", "Id", sorts=False, shown=False),
    ]
