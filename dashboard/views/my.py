"""The page of a key holder: what the key used, what is left, how to set up a client.

Opened with the key itself, by POST only. Every query names the key, so there is nothing here that
another key used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from bridge.accounts import key_holders
from bridge.accounts.key_holders import KeyHolder, Offers
from bridge.keys.limits import LimitKind, Quota
from bridge.models import KeyLabel
from bridge.pages import client_settings
from dashboard.display import cards, chart_builders, formatting
from dashboard.display.cards import Card
from dashboard.display.cells import Meter
from dashboard.pages import key_holder_session
from dashboard.pages.page import Frame
from dashboard.queries import holders as usage
from dashboard.queries import hours, models
from dashboard.queries.hours import Sums
from dashboard.queries.models import ModelUse
from dashboard.tables import exports, shared_columns
from dashboard.tables.table import Column, InMemory, Table

NOT_GOOD = (
    "This key is not known here, or not good any more. A backend’s own key is known once a request "
    "with it was served."
)
TOO_MANY = "Too many keys that were not good came from your address. Try again in {minutes} min."


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters()
def my(request: HttpRequest) -> HttpResponse:
    """The page, or the question for the key."""
    if request.method == "POST":
        return _enter(request)
    holder = key_holder_session.visitor(request)
    if holder is None:
        response = _ask(request)
        if key_holder_session.COOKIE in request.COOKIES:
            key_holder_session.end(response)
        return response
    return _show(request, holder)


def _ask(request: HttpRequest, problem: str = "", status: int = 200) -> HttpResponse:
    return render(request, "dashboard/my_key.html", {"problem": problem}, status=status)


def _enter(request: HttpRequest) -> HttpResponse:
    if not key_holders.tries_left(request):
        wait = settings.LOGIN_LOCK_SECONDS
        response = _ask(request, TOO_MANY.format(minutes=-(-wait // 60)), 429)
        response["Retry-After"] = str(wait)
        return response
    holder = key_holders.holder_of(request.POST.get("key", ""))
    if holder is None:
        return _ask(request, NOT_GOOD, 403)
    key_holders.forgive(request)
    entered = redirect("my")
    key_holder_session.begin(entered, holder)
    return entered


@require_POST
@never_cache
def leave(request: HttpRequest) -> HttpResponse:
    """End the visit."""
    response = redirect("my")
    key_holder_session.end(response)
    return response


# --- the page -------------------------------------------------------------------------------------


def _show(request: HttpRequest, holder: KeyHolder) -> HttpResponse:
    """Nine queries at most."""
    frame = Frame(request)
    mine = Q(key_id=holder.key_id, fingerprint=holder.fingerprint)
    used = models.used(frame.range, hours.LATENCY, mine, compared=frame.compares)
    table = _models(frame, used)
    if file := exports.answer(table):
        return file
    offers = key_holders.offers(holder)
    context = {
        "frame": frame,
        "holder": holder,
        "name": _name(holder),
        "limits": list(_limits(holder, frame)),
        "table": table,
        "offers": offers.names,
        "patterns": holder.row.patterns if holder.row else (),
        **_numbers(frame, used),
        **_settings(request, holder, offers),
    }
    return render(request, "dashboard/my.html", context)


def _name(holder: KeyHolder) -> str:
    if holder.row is not None:
        return holder.row.name
    label = KeyLabel.objects.filter(fingerprint=holder.fingerprint).first()
    return label.name if label else f"key-{holder.fingerprint}"


def _numbers(frame: Frame, used: Sequence[ModelUse]) -> dict[str, Any]:
    total = sum((use.sums for use in used), Sums.nothing(frame.range))
    slots = frame.range.slots()
    return {
        "cards": cards.overview(frame.compared(total)),
        "is_empty": not total.total.requests,
        "tokens_chart": chart_builders.tokens(slots, total.slots),
        "cost_chart": chart_builders.by_name(
            "cost",
            "Cost by model",
            "usd",
            slots,
            [(use.shown, use.shown, use.sums.slots) for use in used],
            lambda total: total["cost_nano_usd"],
        ),
    }


def _models(frame: Frame, used: Sequence[ModelUse]) -> Table[ModelUse]:
    return Table(
        frame,
        "Models used",
        [
            Column("model", "Model", "name", lambda use: use.shown),
            shared_columns.REQUESTS,
            shared_columns.TOKENS,
            shared_columns.CACHED,
            shared_columns.COST,
            shared_columns.ERRORS,
        ],
        InMemory([use for use in used if use.sums.total.requests], lambda use: use.name),
        "-tokens",
        empty="The models that you use are listed here.",
    )


# --- limits ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LimitCard:
    """A limit as a card, with how much of it is used."""

    card: Card
    meter: Meter | None = None


def _limits(holder: KeyHolder, frame: Frame) -> Iterator[LimitCard]:
    row = holder.row
    if row is None:
        return
    for quota, left in usage.quotas(row, frame.now):
        yield _quota(quota, left, frame)
    for shared in usage.shared_quotas(row, frame.now):
        yield _quota(shared.quota, shared.left, frame, f", {shared.holder}")
    minute = usage.last_minute(row, frame.now)
    for title, used, most in (
        ("Requests left this minute", minute.requests, row.rpm),
        ("Tokens left this minute", minute.tokens, row.tpm),
    ):
        if most is not None:
            yield _of_minute(title, usage.Left(used, most))
    if row.concurrent is not None:
        hint = "More of them are refused until one ends"
        yield LimitCard(Card("Requests at once", formatting.count(row.concurrent), hint=hint))


def _quota(quota: Quota, left: usage.Left, frame: Frame, whose: str = "") -> LimitCard:
    of_money = quota.kind is LimitKind.BUDGET
    show = formatting.money if of_money else formatting.tokens
    parts = (("spent" if of_money else "used", show(left.used)), ("of", show(left.most)))
    hint = "It never begins anew"
    if left.until is not None:
        again = formatting.ago(left.until, frame.now, frame.zone)
        hint = f"The next {quota.period} begins {again.text}: {again.title}"
    when = "in all" if quota.period == "total" else f"this {quota.period}"
    title = f"Left {when}{whose}" if of_money else f"Tokens left {when}{whose}"
    card = Card(title, show(left.left), parts, hint=hint, tone=_tone(left))
    return LimitCard(card, Meter(left.used, left.most, "money" if of_money else "count", "used"))


def _of_minute(title: str, left: usage.Left) -> LimitCard:
    parts = (("of", formatting.tokens(left.most)),)
    hint = "Without what still runs"
    card = Card(title, formatting.tokens(left.left), parts, hint=hint, tone=_tone(left))
    return LimitCard(card, Meter(left.used, left.most, "count", "used"))


def _tone(left: usage.Left) -> str:
    return "" if left.left else "bad"


# --- its client -----------------------------------------------------------------------------------


def _settings(request: HttpRequest, holder: KeyHolder, offers: Offers) -> dict[str, Any]:
    """For the name that the address asks for, if it is one of these; else for the main model."""
    asked = request.GET.get("model", "")
    name = asked if any(offer.name == asked for offer in offers.names) else ""
    access = key_holders.access(holder)
    context = client_settings.context(request, offers.routes, name=name, access=access)
    connection = context["client_settings"].connection
    return context | {"chosen": "" if connection.is_placeholder else connection.model}
