"""Keys: who uses what, at what cost, near which limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard import drawings, exports
from dashboard.access import for_readers
from dashboard.cells import Meter, Trend
from dashboard.frame import Frame, page
from dashboard.queries import keys
from dashboard.queries.keys import KeyUse, KnownKeys
from dashboard.tables import Column, InMemory, Table
from dashboard.views import columns


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponse:
    """All keys: those that were used, and those that could be."""
    frame = Frame(request)
    known = KnownKeys.read()
    found = keys.used(frame.range, known, compared=frame.compares)
    rows = _with_meters([*found, *keys.unused(known, found)], keys.budgets(known, frame.now))
    table = Table(
        frame,
        "Keys",
        _columns(frame, any(use.meter for use in rows)),
        InMemory(rows, lambda use: use.owner.slug),
        "-tokens",
    )
    chart = drawings.by_name(
        "tokens",
        "Tokens by key",
        "tokens",
        frame.range.slots(),
        [(use.owner.shown, use.owner.slug, use.sums.slots) for use in found],
        lambda total: total.tokens,
    )
    return exports.answer(table) or page(request, "keys", frame, table=table, chart=chart)


def _with_meters(found: list[KeyUse], meters: Mapping[int, Meter]) -> list[KeyUse]:
    return [replace(use, meter=meters.get(use.owner.key_id)) for use in found]


def _columns(frame: Frame, has_budgets: bool) -> list[Column]:
    def href(use: KeyUse) -> str:
        return frame.to("key", use.owner.slug)

    budget = Column(
        "budget", "Budget", "meter", lambda u: u.meter, "Spent in the running day or month of UTC"
    )
    return [
        Column("key", "Key", "name", lambda u: u.owner.shown, link=href),
        Column("kind", "Kind", "text", lambda u: u.owner.kind, "How it is known", filter=True),
        Column(
            "trend",
            "Over time",
            "spark",
            lambda u: Trend(tuple(t.requests for t in u.sums.slots), frame.range.is_running),
            "Requests, bar by bar as in the chart",
            sorts=False,
        ),
        columns.REQUESTS,
        columns.TOKENS,
        *([columns.change()] if frame.compares else []),
        columns.CACHED,
        columns.COST,
        columns.ERRORS,
        *([budget] if has_budgets else []),
        Column("last_used", "Last used", "time", lambda u: u.sums.last_hour, "To the hour"),
    ]
