"""Models: which one earns its place."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.display import chart_builders
from dashboard.display.chart_builders import Behind
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import hours, models
from dashboard.queries.models import ModelUse
from dashboard.tables import exports, shared_columns
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import SPEED

SUMMED = (*hours.LATENCY, *SPEED, "repaired")


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """All models that were asked in this time."""
    frame = Frame(request)
    found = models.used(frame.range, SUMMED, compared=frame.compares)
    rows = [use for use in found if use.sums.total.requests]
    table = Table(
        frame,
        "Models",
        _columns(frame, models.windows()),
        InMemory(rows, lambda use: use.name),
        "-tokens",
    )
    chart = chart_builders.by_name(
        "tokens",
        "Tokens by model",
        "tokens",
        frame.range.slots(),
        [(use.shown, use.shown, use.sums.slots) for use in found],
        lambda total: total.tokens,
        Behind(frame.to_requests),
        "model",
    )
    return exports.answer(table) or page(request, "models", frame, table=table, chart=chart)


def _columns(frame: Frame, windows: Mapping[str, int]) -> list[Column]:
    def href(use: ModelUse) -> str:
        return frame.to("model", use.name) if use.name else ""

    def context_use(use: ModelUse) -> float | None:
        prompt, window = use.sums.total.prompt_per_request, windows.get(use.name)
        return prompt / window if prompt and window else None

    columns = [
        Column("model", "Model", "name", lambda use: use.shown, link=href),
        shared_columns.FIRST_TOKEN,
        shared_columns.SLOW_FIRST_TOKEN,
        shared_columns.SPEED,
        shared_columns.ERRORS,
        shared_columns.REPAIRED,
        Column(
            "context_use",
            "Context used",
            "share",
            context_use,
            "The mean prompt, as a share of the model's window",
        ),
        shared_columns.COST,
        shared_columns.COST_EACH,
        shared_columns.REQUESTS,
        shared_columns.TOKENS,
        *([shared_columns.change()] if frame.compares else []),
        *shared_columns.SUMS,
    ]
    return shared_columns.drilled(frame, columns, lambda use: {"model": use.shown})
