"""A visitor's own requests: all of a time, and one explained.

One request shows what its client could see or send. How it was routed, to which backends, what they
said and why they failed is the operator's; a kept prompt is on the operator's page.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord
from dashboard.display.call_verdicts import judged_calls
from dashboard.display.request.attempts import ending
from dashboard.display.request.explanations import STOPS, explained
from dashboard.display.request.timing import WIDTH
from dashboard.pages.own import OwnFrame, Visitor, for_visitors, missing
from dashboard.pages.page import Link, page
from dashboard.queries import requests
from dashboard.tables import exports, request_columns
from dashboard.tables.keyset import Rows
from dashboard.tables.row_columns import outcome
from dashboard.tables.table import Column, Table
from dashboard.views.one_request import facts, purpose, request_cards, request_timing

WRONG = ("refused", "abandoned", "error")


@require_safe
@for_visitors
def every(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Newest first; a click on a value shows those that share it. Four queries at most."""
    frame = OwnFrame(request, visitor, comparing=False)
    table = Table(
        frame,
        "Requests",
        [
            *request_columns.what(frame),
            Column("key", "Key", filter=True, sorts=False),
            Column("model", "Model", "model", filter=True, sorts=False),
            *request_columns.purpose(),
            *request_columns.how_much(),
        ],
        Rows(requests.within(frame.range).filter(visitor.used)),
        "-time",
        empty="Nothing came in this time. A request gets its line a second after its end.",
    )
    return exports.answer(table) or page(
        request, "my/requests", frame, table=table, wrong=_wrong(frame)
    )


def _wrong(frame: OwnFrame) -> list[Link]:
    """Ways to what did not end well."""
    shown = frame.asked.get("outcome", "")
    return [Link(word, frame.here("after", outcome=word), word == shown) for word in WRONG]


@require_safe
@for_visitors
def one(request: HttpRequest, visitor: Visitor, request_id: str) -> HttpResponse:
    """Five queries at most."""
    frame = OwnFrame(request, visitor, comparing=False)
    row = None
    if "\x00" not in request_id:
        row = UsageRecord.objects.filter(visitor.used, request_id=request_id).first()
    if row is None:
        return missing(request, frame, "request")
    session = requests.session_of(row)
    return page(
        request,
        "my/request",
        frame,
        row=row,
        outcome=outcome(row),
        ending=ending(row),
        cards=request_cards(row),
        timing=request_timing(row),
        bar_width=WIDTH,
        changes=explained(row.detail),
        stop=STOPS.get(row.stop_reason, ""),
        error=row.error,
        verdicts=judged_calls(row.detail.get("verdicts")),
        session=session,
        purpose=purpose(frame, row, session),
        facts=facts(row),
    )
