"""The first page below /my/: what is left, what was used, where one is signed in, which keys one
has, how to set up a client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from bridge.accounts import key_holders
from bridge.accounts.key_holders import KeyHolder, Offers
from bridge.models import ApiKey, KeyLabel, UsageSession
from bridge.pages import client_settings
from dashboard.display import cards, chart_builders
from dashboard.pages.own import OwnFrame, Visitor
from dashboard.pages.page import page
from dashboard.queries import holders, hours, models, own
from dashboard.queries.hours import Sums
from dashboard.queries.models import ModelUse
from dashboard.tables import exports, row_columns, shared_columns
from dashboard.tables.keyset import Rows
from dashboard.tables.table import Column, InMemory, Table
from dashboard.views.my import own_keys, sign_ins
from dashboard.views.my.limit_cards import limit_cards

FEW = 5
"""Rows of what has a page of its own."""


def overview(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Eighteen queries at most, with those of the login, and two for each key with limits."""
    frame = OwnFrame(request, visitor)
    used = models.used(frame.range, hours.LATENCY, visitor.used, compared=frame.compares)
    keys = visitor.own_keys()
    tables: dict[str, Table[Any]] = {
        "models": _models(frame, used),
        "sessions": _sessions(frame),
        "errors": row_columns.errors(frame, visitor.used, FEW),
        **own_keys.tables(frame, keys),
    }
    if file := exports.answer(*tables.values()):
        return file
    holder = visitor.as_holder
    offers = key_holders.offers(holder)
    context = {
        "visitor": visitor,
        "holder": visitor.holder,
        "name": _name(visitor),
        "limits": list(limit_cards(_holders(visitor, keys), frame)),
        "tables": tables,
        "sampled": [key for key in keys if key.is_sampled],
        "sign_ins": sign_ins.of_visitor(visitor),
        "can_rotate": own_keys.can_rotate(visitor),
        "offers": offers.names,
        "patterns": _patterns(visitor),
        **_numbers(frame, used),
        **_settings(request, holder, offers),
    }
    return page(request, "my/overview", frame, **context)


def _name(visitor: Visitor) -> str:
    if visitor.holder is None:
        return visitor.actor
    if visitor.holder.row is not None:
        return visitor.holder.row.name
    label = KeyLabel.objects.filter(fingerprint=visitor.holder.fingerprint).first()
    return label.name if label else f"key-{visitor.holder.fingerprint}"


def _holders(visitor: Visitor, keys: Sequence[ApiKey]) -> list[holders.Holder]:
    if visitor.holder is not None:
        return holders.of_key(visitor.holder.row) if visitor.holder.row else []
    if visitor.person is None:
        return []
    return holders.of_person(visitor.person.pk, keys, own.teams_of(visitor.person, keys))


def _patterns(visitor: Visitor) -> Sequence[str]:
    return visitor.holder.row.patterns if visitor.holder and visitor.holder.row else ()


def _numbers(frame: OwnFrame, used: Sequence[ModelUse]) -> dict[str, Any]:
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


# --- tables ---------------------------------------------------------------------------------------


def _models(frame: OwnFrame, used: Sequence[ModelUse]) -> Table[ModelUse]:
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


def _sessions(frame: OwnFrame) -> Table[UsageSession]:
    rows = UsageSession.objects.filter(
        frame.visitor.sessions(), last_at__gte=frame.range.start, last_at__lt=frame.range.end
    )
    return Table(
        frame,
        "Sessions",
        row_columns.session_columns(frame),
        Rows(rows),
        "-last_at",
        "sessions",
        empty="Clients such as Claude Code name their session; it gets a line here.",
        limit=FEW,
    )


# --- its client -----------------------------------------------------------------------------------


def _settings(request: HttpRequest, holder: KeyHolder, offers: Offers) -> dict[str, Any]:
    """For the name that the address asks for, if it is one of these; else for the main model."""
    asked = request.GET.get("model", "")
    name = asked if any(offer.name == asked for offer in offers.names) else ""
    access = key_holders.access(holder)
    context = client_settings.context(request, offers.routes, name=name, access=access)
    connection = context["client_settings"].connection
    return context | {"chosen": "" if connection.is_placeholder else connection.model}
