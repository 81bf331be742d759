"""The first page: is it well, and what goes through it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from dashboard.access import for_readers
from dashboard.charts import Chart, Series
from dashboard.frame import Frame, page
from dashboard.queries import hours


@require_safe
@for_readers
def overview(request: HttpRequest) -> HttpResponse:
    frame = Frame(request)
    told = hours.total(frame.range, hours.LATENCY)
    slots = frame.range.slots()
    requests = Chart(
        "requests",
        "Requests",
        "bars",
        "count",
        slots,
        (Series("requests", tuple(float(t.requests) for t in told.slots), "a"),),
    )
    return page(request, "overview", frame, told=told, charts=[requests])
