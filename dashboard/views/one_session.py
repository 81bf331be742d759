"""One session: what it cost in all, its context and its cost turn by turn, its tools and models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageSession
from dashboard.display import cards, formatting
from dashboard.display.cards import Card, Compared
from dashboard.display.charts import Chart, Series, leading, tone
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, missing, page
from dashboard.queries import sessions
from dashboard.queries.keys import KnownKeys
from dashboard.queries.sessions import ModelShare, ToolUse
from dashboard.tables import exports
from dashboard.tables.row_columns import totals
from dashboard.tables.session_tables import agents_table, prompts_table, turns_table
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.compactions import Compaction, compactions
from dashboard.usage.key_owners import Owner
from dashboard.usage.periods import Slot
from dashboard.usage.totals import Totals
from dashboard.usage.turns import Turn

MOST_BARS = 120
"""Turns that are drawn as bars; more of them are a line."""


@require_safe
@for_readers
def one(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Eight queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    row = sessions.one(pk)
    if row is None:
        return missing(request, frame, "session", "sessions")
    return shown(request, frame, row, KnownKeys.read().owner(row.key_id, row.fingerprint, row.key))


def shown(request: HttpRequest, frame: Frame, row: UsageSession, owner: Owner) -> HttpResponseBase:
    """The page of a session that the visitor may see, or a file of it. One query."""
    turns = sessions.turns(row)
    tables: list[Table[Any]] = [
        turns_table(frame, turns),
        _models(frame, turns),
        _tools(frame, turns),
        prompts_table(frame, row, turns),
        agents_table(frame, row, turns),
    ]
    left_out = row.requests - len(turns)
    if left_out > 0:
        for table in tables:
            table.title += f" (of the newest {len(turns)} turns)"
    return exports.answer(*tables) or page(
        request,
        "session",
        frame,
        row=row,
        owner=owner,
        cards=_cards(row),
        tables=tables,
        lasted=formatting.duration((row.last_at - row.first_at).total_seconds() * 1000),
        left_out=left_out,
        **_drawn(frame, turns),
    )


def _cards(row: UsageSession) -> list[Card]:
    sums = Compared(totals(row), Totals(), Totals())
    context = Card(
        "Longest context",
        formatting.tokens(row.largest_context),
        hint="Tokens of one prompt with its answer",
    )
    return [cards.cost(sums), cards.tokens(sums), cards.cached(sums), context]


# --- turn by turn ---------------------------------------------------------------------------------


def _drawn(frame: Frame, turns: Sequence[Turn]) -> dict[str, Any]:
    shrunk = compactions(turns)
    slots = tuple(_slot(frame, turn) for turn in turns)
    hrefs = [frame.to("request", turn.request_id) for turn in turns]
    pages = dict(zip(slots, hrefs, strict=True))

    def to_request(_: Mapping[str, str], slot: Slot | None) -> str:
        return pages[slot] if slot else ""

    return {
        "compactions": shrunk,
        "context_chart": replace(_context(slots, turns, shrunk), to=to_request),
        "cost_chart": replace(_cost(slots, turns), to=to_request),
    }


def _slot(frame: Frame, turn: Turn) -> Slot:
    title = f"Turn {turn.number}, {formatting.moment(turn.time, frame.zone)}"
    return Slot(turn.time, turn.time, str(turn.number), title, True)


def _context(slots: tuple[Slot, ...], turns: Sequence[Turn], shrunk: list[Compaction]) -> Chart:
    kinds = (
        ("cached", "b", [turn.cache_read_tokens for turn in turns]),
        ("new input", "a", [turn.input_tokens + turn.cache_write_tokens for turn in turns]),
        ("answer", "answered", [turn.output_tokens for turn in turns]),
    )
    whole = (("context", "a", [turn.context for turn in turns]),)
    drawn = kinds if len(turns) <= MOST_BARS else whole
    series = (Series(name, tuple(map(float, values)), colour) for name, colour, values in drawn)
    first = turns[0].number if turns else 0
    return Chart(
        "context",
        "Context, turn by turn",
        _shape(turns),
        "tokens",
        slots,
        tuple(one for one in series if one.total),
        empty="No turn used any tokens.",
        marks=tuple((one.after.number - first, "compacted") for one in shrunk),
        head="Turn",
    )


def _cost(slots: tuple[Slot, ...], turns: Sequence[Turn]) -> Chart:
    names = sorted({turn.model for turn in turns if turn.cost_nano_usd})
    series = (
        Series(name, tuple(float(_cost_of(turn, name)) for turn in turns), tone(name))
        for name in names
    )
    empty = "No price is known for what was used here."
    return Chart(
        "cost",
        "Cost, turn by turn",
        "bars",
        "usd",
        slots,
        leading(series),
        empty=empty,
        head="Turn",
    )


def _cost_of(turn: Turn, model: str) -> int:
    return (turn.cost_nano_usd or 0) if turn.model == model else 0


def _shape(turns: Sequence[Turn]) -> str:
    return "bars" if len(turns) <= MOST_BARS else "lines"


# --- tables ---------------------------------------------------------------------------------------


def _models(frame: Frame, turns: Sequence[Turn]) -> Table[ModelShare]:
    def to_model(share: ModelShare) -> str:
        return frame.to("model", share.name) if share.name and not frame.is_own else ""

    return Table(
        frame,
        "Models",
        [
            Column("model", "Model", "name", lambda share: share.name or "none", link=to_model),
            Column("turns", "Turns", "count"),
            Column("tokens", "Tokens", "tokens"),
            Column("cached_share", "Cached", "share"),
            Column("cost", "Cost", "money"),
        ],
        InMemory(sessions.by_model(turns), lambda share: share.name),
        "-tokens",
        "models",
        empty="The models that answered are listed here.",
    )


def _tools(frame: Frame, turns: Sequence[Turn]) -> Table[ToolUse]:
    return Table(
        frame,
        "Tools called",
        [
            Column("tool", "Tool", "name"),
            Column("calls", "Calls", "count"),
            Column(
                "longest",
                "Longest between turns",
                "ms",
                hint="The longest time that its client reports between two turns",
            ),
        ],
        InMemory(sessions.tools(turns), lambda use: use.tool),
        "-calls",
        "tools",
        empty="No tool was called.",
    )
