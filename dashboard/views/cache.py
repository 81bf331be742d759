"""The prefix cache: how much of the prompts repeats, and how much of that is not computed again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageSession
from dashboard.display import formatting
from dashboard.display.cache_verdict import computed_again, meanings, verdict
from dashboard.display.cards import Card
from dashboard.display.formatting import NOTHING
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import caching as reading
from dashboard.queries.caching import CacheUse
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports, shared_columns
from dashboard.tables.keyset import Rows
from dashboard.tables.row_columns import totals
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import Totals


@require_safe
@for_readers
def cache(request: HttpRequest) -> HttpResponseBase:
    """Ten queries at most, with the two of the login."""
    frame = Frame(request, comparing=False)
    known = KnownKeys.read()
    found = reading.used(frame.range, known, reading.prices())
    tables: list[Table[Any]] = [_keys(frame, found), _sessions(frame, known)]
    if (file := exports.answer(*tables)) is not None:
        return file
    seen = {verdict(use.sums.total) for use in found}
    seen |= {verdict(totals(row)) for row in tables[1].page.rows}
    total = sum((use.sums.total for use in found), Totals())
    return page(
        request,
        "cache",
        frame,
        cards=_cards(total, found),
        verdict=verdict(total),
        tables=tables,
        meanings=meanings(seen),
        is_empty=not found,
    )


def _cards(total: Totals, found: list[CacheUse]) -> list[Card]:
    savings = [use.saved for use in found if use.saved is not None]
    shares = [
        ("Repeated", total.repeated_share, "Of the prompts’ bytes, the turn before had as many"),
        ("Read from cache", total.cached_share, "Of the prompts’ tokens, as the backend reports"),
    ]
    again = computed_again(total)
    return [
        *(Card(t, NOTHING if s is None else formatting.share(s), hint=h) for t, s, h in shares),
        Card(
            "Computed again",
            NOTHING if again is None else formatting.tokens(again),
            hint="Tokens that repeated and were not read from a cache, about",
        ),
        Card(
            "Saved",
            formatting.money(sum(savings)) if savings else NOTHING,
            hint="Against the price of new input, at today’s prices"
            if savings
            else "No price is known for what was cached",
        ),
    ]


_REPEATED = Column(
    "repeated_share",
    "Repeated",
    "share",
    lambda row: _sums_of(row).repeated_share,
    "How much of the prompts’ bytes the turn before had too",
    sorts=False,
)
_CACHED = Column(
    "cached_share",
    "Read from cache",
    "share",
    lambda row: _sums_of(row).cached_share,
    "How much of the prompts’ tokens the backend did not compute again",
    sorts=False,
)
_AGAIN = Column(
    "computed_again",
    "Computed again",
    "tokens",
    lambda row: computed_again(_sums_of(row)),
    "Tokens that repeated and were not read from a cache, about",
    sorts=False,
)
_TOOLS = Column(
    "tool_lists_changed",
    "Tools changed",
    "count",
    lambda row: _sums_of(row)["tool_lists_changed"] or None,
    "Requests whose list of tools was another than in the turn before",
    sorts=False,
)
_ADDED = Column(
    "tools_added",
    "Tools added",
    "count",
    lambda row: _sums_of(row)["tools_added"] or None,
    "Tools that such requests had more than the turn before",
    sorts=False,
)
_VERDICT = Column("verdict", "Caching", "state", lambda row: verdict(_sums_of(row)), sorts=False)


def _sums_of(row: Any) -> Totals:
    return totals(row) if isinstance(row, UsageSession) else row.sums.total


def _keys(frame: Frame, found: list[CacheUse]) -> Table[CacheUse]:
    def href(use: CacheUse) -> str:
        return frame.to("key", use.owner.slug)

    in_memory = [
        replace(column, sorts=True) for column in (_REPEATED, _CACHED, _AGAIN, _TOOLS, _ADDED)
    ]
    return Table(
        frame,
        "By key",
        [
            Column("key", "Key", "name", lambda use: use.owner.shown, link=href),
            shared_columns.REQUESTS,
            shared_columns.summed("prompt_tokens", "Prompts", "tokens", lambda t: t.prompt_tokens),
            *in_memory,
            Column(
                "saved",
                "Saved",
                "money",
                lambda use: use.saved,
                "Against the price of new input, at today’s prices",
            ),
            _VERDICT,
        ],
        InMemory(found, lambda use: use.owner.slug),
        "-prompt_tokens",
        "keys",
        empty="Every key that sends prompts gets a line here.",
    )


def _sessions(frame: Frame, known: KnownKeys) -> Table[UsageSession]:
    rows = UsageSession.objects.filter(
        last_at__gte=frame.range.start, last_at__lt=frame.range.end, prompt_bytes__gt=0
    )
    return Table(
        frame,
        "By session",
        [
            Column(
                "session",
                "Session",
                "name",
                link=lambda row: frame.to_known("session", row.pk),
                field="session",
            ),
            Column(
                "key",
                "Key",
                "text",
                lambda row: known.owner(row.key_id, row.fingerprint, row.key).shown,
                sorts=False,
            ),
            Column("last_at", "Last turn", "time", field="last_at"),
            Column("requests", "Turns", "count", field="requests"),
            Column(
                "prompt_tokens",
                "Prompts",
                "tokens",
                lambda row: totals(row).prompt_tokens,
                sorts=False,
            ),
            _REPEATED,
            _CACHED,
            _AGAIN,
            _TOOLS,
            _ADDED,
            _VERDICT,
        ],
        Rows(rows),
        "-last_at",
        "sessions",
        note="Each counts whole, by the time of its last turn.",
        empty="Clients such as Claude Code name their session; it gets a line here.",
    )
