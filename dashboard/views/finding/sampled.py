"""A search in what was kept of failed requests: prompts and answers of sampled keys."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries.finding import samples
from dashboard.queries.finding.samples import SampleSearch
from dashboard.tables import exports, request_columns
from dashboard.tables.table import Column, InMemory, Table

EMPTY = "None of these samples holds that."


@require_safe
@for_readers
def sampled(request: HttpRequest) -> HttpResponseBase:
    """Five queries at most, with the three of the login. For who may read a sample at all."""
    frame = Frame(request, comparing=False)
    text = frame.asked.get("q", "").replace("\x00", "").strip()[: samples.LONGEST]
    done = samples.search(frame.range, text) if text else None
    table = _table(frame, done) if done else None
    return (exports.answer(table) if table else None) or page(
        request,
        "sampled",
        frame,
        words=text,
        done=done,
        table=table,
        longest=samples.LONGEST,
        most_read=samples.MOST_READ,
        most=samples.MOST,
        hidden=[(name, value) for name, value in frame.kept.items() if value],
        errors_href=frame.to("errors"),
    )


def _table(frame: Frame, done: SampleSearch) -> Table[UsageRecord]:
    excerpts = {row.pk: excerpt for row, excerpt in done.found}

    def where(row: UsageRecord) -> str:
        return excerpts[row.pk]

    columns = [
        *request_columns.plain(frame),
        Column("excerpt", "Where it stands", "text", where, sorts=False, exports=False),
    ]
    source = InMemory([row for row, _ in done.found], lambda row: f"{row.pk}")
    return Table(frame, "Failed requests", columns, source, "-time", empty=EMPTY)
