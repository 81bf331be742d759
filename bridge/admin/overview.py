"""The start page of the admin: is it well, what needs attention, and the ways from here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from django.utils import timezone

from bridge.backends.status import BackendStatus, Overall, of_row, overall
from bridge.concerns.concern import Concern
from bridge.concerns.gateway import backend_lists, of_gateway
from bridge.ledger.pricing import usd
from bridge.models import Backend, Change, ModelAlias, UsageHour
from bridge.models.attempts import AttemptCounts, attempts_since
from bridge.models.people.persons import SIGN_INS
from bridge.spans import last_hours

SHOWN_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Way:
    """A link to what is often wanted, for those with the permission."""

    title: str
    page: str
    permission: str


WAYS = (
    Way("Add an alias", "admin:bridge_modelalias_add", "bridge.add_modelalias"),
    Way("Where does a name lead?", "admin:bridge_route", "bridge.view_modelalias"),
    Way("Client settings", "admin:bridge_client", "bridge.view_modelalias"),
    Way("Issue a key", "admin:bridge_apikey_add", "bridge.add_apikey"),
)


@dataclass(frozen=True, slots=True)
class OverviewCard:
    """One backend on the start page."""

    row: Backend
    status: BackendStatus
    models: int
    attempts: AttemptCounts
    """Those of the last day."""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What went through in the last 24 hours. `error_share` in percent."""

    requests: int
    tokens: int
    cost_usd: Decimal
    error_share: float


_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows to this user; called by the theme."""
    if request.user.has_perm("bridge.view_backend"):
        context |= _state(request.get_host())
    if request.user.has_perm("bridge.view_change"):
        context["recent_changes"] = _recent_changes()
    context["ways"] = [way for way in WAYS if request.user.has_perm(way.permission)]
    return context


def _recent_changes() -> QuerySet[Change]:
    """The newest acts; who came and went is in the list of all."""
    return Change.objects.filter(leads=True).exclude(kind=SIGN_INS)[:SHOWN_CHANGES]


def _state(host: str) -> dict[str, Any]:
    now = timezone.now()
    rows, tried = backend_lists(), attempts_since(last_hours(now, 24)[0])
    cards = [
        OverviewCard(row, of_row(row, now), listed, tried.get(row.name, AttemptCounts()))
        for row, listed in rows.items()
    ]
    concerns = of_gateway(now, host, backends=rows)
    return {
        "cards": cards,
        "concerns": concerns,
        "verdict": _verdict(cards, concerns),
        "is_demo": not any(card.row.enabled for card in cards),
        "alias_count": ModelAlias.objects.filter(enabled=True).count(),
        "model_count": sum(rows.values()),
        "version": settings.VERSION,
        "traffic": _traffic(),
    }


def _traffic() -> Traffic:
    """The last day's sums, of the hours that the dashboard shows for its last 24 hours."""
    begin, end = last_hours(timezone.now(), 24)
    sums = UsageHour.objects.filter(hour__gte=begin, hour__lt=end).aggregate(
        **{name: Sum(name, default=0) for name in (*_TOKENS, "requests", "errors", "cost_nano_usd")}
    )
    return Traffic(
        requests=sums["requests"],
        tokens=sum(sums[name] for name in _TOKENS),
        cost_usd=usd(sums["cost_nano_usd"]),
        error_share=100 * sums["errors"] / max(1, sums["requests"]),
    )


def _verdict(cards: list[OverviewCard], concerns: list[Concern]) -> tuple[str, str]:
    """(colour, words) of the biggest thing on the page."""
    enabled = [card for card in cards if card.row.enabled]
    if not enabled:
        return "info", "Serving the built-in demo"
    whole = overall(card.status.state for card in enabled)
    if whole is Overall.UNHEALTHY:
        return "danger", "Not serving"
    if whole is Overall.DEGRADED:
        return "warning", "Degraded"
    if any(concern.is_grave for concern in concerns):
        return "warning", "Serving, with trouble"
    return "success", "Serving"
