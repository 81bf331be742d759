"""The start page of the admin: is it well, what needs attention, and the ways from here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet, Sum
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import reverse
from django.utils import timezone
from django.utils.text import capfirst

from bridge.backends.status import (
    BAD,
    BackendStatus,
    Overall,
    ServingState,
    of_row,
    overall,
)
from bridge.concerns import Concern, of_budgets, of_every_page
from bridge.configuration import snapshot
from bridge.configuration.documents import KINDS
from bridge.configuration.row_faults import Fault
from bridge.ledger.pricing import usd
from bridge.models import (
    AliasTarget,
    Backend,
    Change,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    UsageHour,
)
from bridge.models.backends import ENV
from bridge.models.people.persons import SIGN_INS
from bridge.routing import addresses

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
        context |= _state()
        context["concerns"] += _about_hosts(request)
    if request.user.has_perm("bridge.view_change"):
        context["recent_changes"] = _recent_changes()
    context["ways"] = [way for way in WAYS if request.user.has_perm(way.permission)]
    return context


def _recent_changes() -> QuerySet[Change]:
    """The newest acts; who came and went is in the list of all."""
    return Change.objects.filter(leads=True).exclude(kind=SIGN_INS)[:SHOWN_CHANGES]


def _state() -> dict[str, Any]:
    rows = list(Backend.objects.select_related("breaker"))
    counts = _listed()
    cards = [OverviewCard(row, of_row(row), counts.get(row.pk, 0)) for row in rows]
    concerns = _concerns(cards)
    return {
        "cards": cards,
        "concerns": concerns,
        "verdict": _verdict(cards, concerns),
        "is_demo": not any(card.row.enabled for card in cards),
        "alias_count": ModelAlias.objects.filter(enabled=True).count(),
        "model_count": sum(counts.values()),
        "version": settings.VERSION,
        "traffic": _traffic(),
    }


def _traffic() -> Traffic:
    """The last day's sums, from the ledger's hours."""
    since = timezone.now() - timedelta(days=1)
    sums = UsageHour.objects.filter(hour__gt=since).aggregate(
        **{name: Sum(name, default=0) for name in (*_TOKENS, "requests", "errors", "cost_nano_usd")}
    )
    return Traffic(
        requests=sums["requests"],
        tokens=sum(sums[name] for name in _TOKENS),
        cost_usd=usd(sums["cost_nano_usd"]),
        error_share=100 * sums["errors"] / max(1, sums["requests"]),
    )


def _listed() -> dict[int, int]:
    """Backend -> how many models its list has."""
    rows = DiscoveredModel.objects.filter(listed=True).order_by().values("backend")
    return dict(rows.annotate(Count("pk")).values_list("backend", "pk__count"))


def _verdict(cards: list[OverviewCard], concerns: list[Concern]) -> tuple[str, str]:
    """(colour, words) of the biggest thing on the page."""
    enabled = [card for card in cards if card.row.enabled]
    if not enabled:
        return "info", "Serving the built-in demo"
    whole = overall(card.status.state for card in enabled)
    if whole is Overall.UNHEALTHY:
        return "danger", "Not serving"
    if whole is Overall.DEGRADED or any(concern.is_grave for concern in concerns):
        return "warning", "Serving, but not everything"
    return "success", "Serving"


def _concerns(cards: list[OverviewCard]) -> list[Concern]:
    built = snapshot.build(ConfigVersion.current())
    found = [
        Concern(f"{_kind(fault)} {fault.name}: {fault.reason}", _page(fault), BAD)
        for fault in built.faults
    ]
    for card in cards:
        found += _about_backend(card)
    return [*found, *_about_aliases(), *of_every_page(timezone.now()), *of_budgets(built)]


def _kind(fault: Fault) -> str:
    return capfirst(str(KINDS[fault.kind]._meta.verbose_name))


def _page(fault: Fault) -> str:
    opts = KINDS[fault.kind]._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[fault.id])


def _about_backend(card: OverviewCard) -> list[Concern]:
    row, status = card.row, card.status
    page = reverse("admin:bridge_backend_change", args=[row.pk])
    if status.state in (ServingState.OFF, ServingState.BROKEN):
        return []
    found = []
    if status.needs_attention:
        reason = f": {status.reason}" if status.reason else ""
        text = f"Backend {row} is {status.word.lower()}{reason}"
        found.append(Concern(text, page, status.tone))
    name = row.credential.removeprefix(ENV)
    if row.credential.startswith(ENV) and not settings.BACKEND_SECRET(name):
        text = f"Backend {row} wants its key from {name}, which is not set: callers' keys are sent"
        found.append(Concern(text, page))
    if not card.models:
        found.append(Concern(f"Backend {row} has not listed its models yet", page))
    return found


def _about_hosts(request: HttpRequest) -> list[Concern]:
    """Names under which the gateway is served, seen from the one that this page was asked by."""
    name, _ = split_domain_port(request.get_host())
    if "*" not in settings.ALLOWED_HOSTS or not addresses.is_public(name):
        return []
    text = f"Any name is served here, at a public address: set ALLOWED_HOSTS, such as to {name}"
    return [Concern(text, reverse("admin:index"))]


def _about_aliases() -> list[Concern]:
    """Aliases that lead to nothing but backends that are switched off."""
    leading = AliasTarget.objects.filter(backend__enabled=True).values("alias")
    stranded = ModelAlias.objects.filter(enabled=True, targets__isnull=False)
    return [
        Concern(
            f"Alias {row} leads to backends that are switched off",
            reverse("admin:bridge_modelalias_change", args=[row.pk]),
            BAD,
        )
        for row in stranded.exclude(pk__in=leading).distinct()
    ]
