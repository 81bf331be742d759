"""The start page of the admin: is it well, what needs attention, and the ways from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from bridge import operations, snapshot
from bridge.models import AliasTarget, Backend, Change, ConfigVersion, DiscoveredModel, ModelAlias
from bridge.models.backends import ENV

SHOWN_CHANGES = 5


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that an operator should look at, with the page where it is mended."""

    text: str
    href: str
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """One backend on the start page."""

    row: Backend
    standing: operations.Standing
    models: int


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the start page shows; called by the theme."""
    if not request.user.has_perm("bridge.view_backend"):
        return context
    rows = list(Backend.objects.select_related("breaker"))
    counts = _listed()
    cards = [Card(row, operations.standing(row), counts.get(row.pk, 0)) for row in rows]
    concerns = _concerns(cards)
    context |= {
        "cards": cards,
        "concerns": concerns,
        "verdict": _verdict(cards, concerns),
        "is_demo": not any(card.row.enabled for card in cards),
        "alias_count": ModelAlias.objects.filter(enabled=True).count(),
        "model_count": sum(counts.values()),
        "recent_changes": Change.objects.all()[:SHOWN_CHANGES],
        "version": settings.VERSION,
    }
    return context


def _listed() -> dict[int, int]:
    counts: dict[int, int] = {}
    for backend_id in DiscoveredModel.objects.filter(listed=True).values_list("backend", flat=True):
        counts[backend_id] = counts.get(backend_id, 0) + 1
    return counts


def _verdict(cards: list[Card], concerns: list[Concern]) -> tuple[str, str]:
    """(colour, words) of the biggest thing on the page."""
    enabled = [card for card in cards if card.row.enabled]
    if not enabled:
        return "info", "Serving the built-in demo"
    if all(card.standing.colour == "danger" for card in enabled):
        return "danger", "Not serving"
    if any(concern.grave for concern in concerns):
        return "warning", "Serving, but not everything"
    return "success", "Serving"


def _concerns(cards: list[Card]) -> list[Concern]:
    built = snapshot.build(ConfigVersion.current())
    found = [
        Concern(f"{fault.kind} {fault.name}: {fault.reason}", _fault_page(fault), grave=True)
        for fault in built.faults
    ]
    for card in cards:
        found += _about_backend(card)
    return found + _about_aliases()


def _fault_page(fault: snapshot.Fault) -> str:
    names = {
        "backends": "backend",
        "aliases": "modelalias",
        "tool_names": "toolnamemap",
        "keys": "apikey",
    }
    return reverse(f"admin:bridge_{names[fault.kind]}_change", args=[fault.id])


def _about_backend(card: Card) -> list[Concern]:
    row, standing = card.row, card.standing
    page = reverse("admin:bridge_backend_change", args=[row.pk])
    found = []
    if row.enabled and standing.needs_attention and not standing.problem:
        error = f": {standing.last_error}" if standing.last_error else ""
        grave = standing.colour == "danger"
        found.append(Concern(f"Backend {row} is {standing.word.lower()}{error}", page, grave))
    name = row.credential.removeprefix(ENV)
    if row.credential.startswith(ENV) and not settings.BACKEND_SECRET(name):
        text = f"Backend {row} wants its key from {name}, which is not set: callers' keys are sent"
        found.append(Concern(text, page))
    if row.enabled and not card.models:
        found.append(Concern(f"Backend {row} has not told its models", page))
    return found


def _about_aliases() -> list[Concern]:
    """Aliases that lead to nothing but backends that are switched off."""
    leading = AliasTarget.objects.filter(backend__enabled=True).values("alias")
    stranded = ModelAlias.objects.filter(enabled=True, targets__isnull=False)
    return [
        Concern(
            f"Alias {row} leads to backends that are switched off",
            reverse("admin:bridge_modelalias_change", args=[row.pk]),
            grave=True,
        )
        for row in stranded.exclude(pk__in=leading).distinct()
    ]
