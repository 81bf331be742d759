"""One model: how fast, how often wrong, how full, what it costs, and what it can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import DiscoveredModel, KeyDay
from dashboard.display import cards, chart_builders
from dashboard.display.chart_builders import Behind
from dashboard.display.model_capabilities import capabilities
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, missing, page
from dashboard.queries import hours, keys, models
from dashboard.queries.finding.conditions import NONE
from dashboard.queries.hours import Sums
from dashboard.queries.keys import KeyUsage, KnownKeys
from dashboard.tables import exports, shared_columns
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import SPEED


@dataclass(frozen=True, slots=True)
class BackendShare:
    """What one backend answered with this model."""

    backend: str
    sums: Sums


@require_safe
@for_readers
def one(request: HttpRequest, name: str) -> HttpResponseBase:
    """Ten queries at most, with the two of the login."""
    frame = Frame(request)
    if "\x00" in name:
        return missing(request, frame, "model", "models")
    only = Q(model=name)
    known = models.known(name)
    sums_by_group = hours.sums(
        frame.range,
        ("backend",),
        (*hours.LATENCY, *SPEED, "repaired", "retried"),
        only,
        compared=frame.compares,
    )
    if not sums_by_group and not known and not KeyDay.objects.filter(only).exists():
        return missing(request, frame, "model", "models")
    users = keys.used(frame.range, KnownKeys.read(), only=only, compared=False, sliced=False)
    tables: list[Table[Any]] = [_backends(frame, name, sums_by_group), _keys(frame, name, users)]
    return exports.answer(*tables) or page(
        request,
        "model",
        frame,
        name=name,
        tables=tables,
        capabilities=[capabilities(row) for row in known],
        every_href=frame.to("models"),
        **_numbers(frame, sum(sums_by_group.values(), Sums.nothing(frame.range)), name, known),
    )


def _numbers(frame: Frame, total: Sums, name: str, known: list[DiscoveredModel]) -> dict[str, Any]:
    slots = frame.range.slots()
    behind = Behind(frame.to_requests, {"model": name})
    window = min((row.fact("context") or 0 for row in known), default=0)
    longest = models.longest_context(frame.range, name)
    return {
        "cards": cards.linked(
            cards.for_model(frame.compared(total), window, longest),
            frame.to_requests,
            behind.asked,
        ),
        "facts": cards.linked(cards.model_facts(total.total), frame.to_requests, behind.asked),
        "latency_chart": chart_builders.first_token(slots, total.slots, behind),
        "speed_chart": chart_builders.speed(slots, total.slots, behind),
        "requests_chart": chart_builders.requests(slots, total.slots, behind),
    }


def _backends(
    frame: Frame, model: str, sums_by_backend: dict[hours.Group, Sums]
) -> Table[BackendShare]:
    rows = [
        BackendShare(name, sums) for (name,), sums in sums_by_backend.items() if sums.total.requests
    ]

    def asked(use: BackendShare) -> dict[str, str]:
        return {"model": model, "backend": use.backend or NONE}

    columns = [
        Column("backend", "Backend", "name", lambda use: use.backend or NONE),
        shared_columns.REQUESTS,
        shared_columns.FIRST_TOKEN,
        shared_columns.SLOW_FIRST_TOKEN,
        shared_columns.SPEED,
        shared_columns.ERRORS,
        shared_columns.REPAIRED,
        shared_columns.COST_EACH,
    ]
    return Table(
        frame,
        "Backends",
        shared_columns.drilled(frame, columns, asked),
        InMemory(rows, lambda use: use.backend),
        "-requests",
        "backends",
        empty="The backends that answer with this model are compared here.",
    )


def _keys(frame: Frame, model: str, found: list[KeyUsage]) -> Table[KeyUsage]:
    def href(use: KeyUsage) -> str:
        return frame.to("key", use.owner.slug)

    def asked(use: KeyUsage) -> dict[str, str]:
        return {"model": model, "key_id": use.owner.slug}

    columns = [
        Column("key", "Key", "name", lambda use: use.owner.shown, link=href),
        Column("kind", "Kind", "text", lambda use: use.owner.kind, filter=True),
        shared_columns.REQUESTS,
        shared_columns.TOKENS,
        shared_columns.CACHED,
        shared_columns.COST,
        shared_columns.ERRORS,
    ]
    return Table(
        frame,
        "Keys",
        shared_columns.drilled(frame, columns, asked),
        InMemory(found, lambda use: use.owner.slug),
        "-tokens",
        "keys",
        empty="The keys that use this model are listed here.",
    )
