"""One key: its numbers over time, its models, sessions and errors, its limits, its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from bridge.concerns.limits import price_form
from bridge.models import ApiKey, KeyLabel, UsageSession
from dashboard.display import cards, chart_builders, formatting
from dashboard.display.cells import StateCell
from dashboard.display.chart_builders import Behind
from dashboard.pages.access import for_operators, for_readers
from dashboard.pages.page import Frame, missing, page
from dashboard.queries import hours, keys, models
from dashboard.queries.hours import Sums
from dashboard.queries.keys import Identity, KnownKeys
from dashboard.queries.models import ModelUse
from dashboard.tables import exports, row_columns, shared_columns
from dashboard.tables.keyset import Rows
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.key_owners import identity

SHOWN_UNCOUNTED = 3


@require_safe
@for_readers
def one(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Ten queries at most, with the two of the login."""
    frame = Frame(request)
    who = identity(slug)
    known = KnownKeys() if who is None else keys.known(who)
    seen = None if who is None else keys.last_seen(who)
    if who is None or (seen is None and not known.has(who)):
        return missing(request, frame, "key", "keys")
    found = models.used(frame.range, hours.LATENCY, _of(who), compared=frame.compares)
    tables: list[Table[Any]] = [
        _models(frame, found, slug),
        _sessions(frame, who),
        row_columns.errors(frame, _of(who)),
    ]
    return exports.answer(*tables) or page(
        request,
        "key",
        frame,
        owner=known.owner(*who, seen.name if seen else ""),
        row=known.row(who[0]),
        state=_state(known.row(who[0]), frame),
        limits=keys.limits(known, who[0], frame.now),
        seen=seen,
        uncounted=_uncounted(frame, found, known.row(who[0])),
        tables=tables,
        forwarded=bool(who[1]),
        label=known.labels.get(who[1], ""),
        every_href=frame.to("keys"),
        **_numbers(frame, found, slug),
        errors_href=frame.to("errors", key_id=slug),
        requests_href=frame.to_requests({"key_id": slug}),
    )


def _of(who: Identity) -> Q:
    return Q(key_id=who[0], fingerprint=who[1])


def _state(row: ApiKey | None, frame: Frame) -> StateCell | None:
    if row is None:
        return None
    if not row.enabled:
        return StateCell("switched off", "quiet")
    if row.expires_at is not None and row.expires_at <= frame.now:
        return StateCell("expired", "bad")
    return StateCell("good", "good")


@dataclass(frozen=True, slots=True)
class UncountedUse:
    """What a key's budget does not count, of the time of the page; with forms for prices."""

    text: str
    forms: list[tuple[str, str]]
    requests: str


def _uncounted(frame: Frame, found: list[ModelUse], row: ApiKey | None) -> UncountedUse | None:
    """None for a key without a budget, and where each request has a cost."""
    uses = [use for use in found if use.name and use.sums.total["unpriced"]]
    if row is None or not row.has_budget or not uses:
        return None
    count = formatting.requests(sum(use.sums.total["unpriced"] for use in uses))
    named, more = uses[:SHOWN_UNCOUNTED], len(uses) - SHOWN_UNCOUNTED
    names = ", ".join(use.shown for use in named) + (f" and {more} more" if more > 0 else "")
    return UncountedUse(
        f"Its budget does not count {count} for {names}: no price was known",
        [(use.shown, price_form(use.name)) for use in named if frame.operates],
        frame.to_requests({"key_id": str(row.pk), "trait": "unpriced"}),
    )


def _numbers(frame: Frame, found: list[ModelUse], slug: str) -> dict[str, Any]:
    """Cards and charts."""
    behind = Behind(frame.to_requests, {"key_id": slug})
    total = sum((use.sums for use in found), Sums.nothing(frame.range))
    slots = frame.range.slots()
    return {
        "cards": cards.linked(
            cards.overview(frame.compared(total)), frame.to_requests, behind.asked
        ),
        "requests_chart": chart_builders.requests(slots, total.slots, behind),
        "tokens_chart": chart_builders.by_name(
            "tokens",
            "Tokens by model",
            "tokens",
            slots,
            [(use.shown, use.shown, use.sums.slots) for use in found],
            lambda total: total.tokens,
            behind,
            "model",
        ),
    }


# --- its tables -----------------------------------------------------------------------------------


def _models(frame: Frame, found: list[ModelUse], slug: str) -> Table[ModelUse]:
    def href(use: ModelUse) -> str:
        return frame.to("model", use.name) if use.name else ""

    columns = [
        Column("model", "Model", "name", lambda use: use.shown, link=href),
        shared_columns.REQUESTS,
        shared_columns.TOKENS,
        shared_columns.CACHED,
        shared_columns.COST,
        shared_columns.ERRORS,
        shared_columns.FIRST_TOKEN,
    ]
    return Table(
        frame,
        "Models",
        shared_columns.drilled(frame, columns, lambda use: {"key_id": slug, "model": use.shown}),
        InMemory([use for use in found if use.sums.total.requests], lambda use: use.name),
        "-tokens",
        "models",
        empty="The models that this key uses are listed here.",
    )


def _sessions(frame: Frame, who: Identity) -> Table[UsageSession]:
    rows = UsageSession.objects.filter(
        _of(who), last_at__gte=frame.range.start, last_at__lt=frame.range.end
    )
    return Table(
        frame,
        "Sessions",
        row_columns.session_columns(frame),
        Rows(rows),
        "-last_at",
        "sessions",
        note="Each counts whole, by the time of its last turn.",
        empty="Clients such as Claude Code name their session; it gets a line here.",
    )


# --- its name -------------------------------------------------------------------------------------


@require_POST
@for_operators
def name(request: HttpRequest, slug: str) -> HttpResponse:
    """Give a forwarded key a name; an empty one takes it away."""
    frame = Frame(request)
    who = identity(slug)
    if who is None or not who[1] or keys.last_seen(who) is None:
        return missing(request, frame, "key", "keys")
    new_name = " ".join(request.POST.get("name", "").split())
    if problem := _fault(new_name, who[1]):
        messages.error(request, problem)
    elif new_name:
        KeyLabel.objects.update_or_create(fingerprint=who[1], defaults={"name": new_name})
        messages.success(request, f"This key is called {new_name} from now on, in all reports.")
    else:
        KeyLabel.objects.filter(fingerprint=who[1]).delete()
        messages.success(request, "The name is gone.")
    return redirect(frame.to("key", slug))


def _fault(name: str, fingerprint: str) -> str:
    """Two keys of one name would be taken for one."""
    longest = KeyLabel._meta.get_field("name").max_length or 0
    if len(name) > longest:
        return f"name: expected at most {longest} characters"
    if not name.isprintable():
        return "name: expected characters that can be seen"
    others = KeyLabel.objects.exclude(fingerprint=fingerprint)
    if name and (others.filter(name=name).exists() or ApiKey.objects.filter(name=name).exists()):
        return f"name: another key is called {name}"
    return ""
