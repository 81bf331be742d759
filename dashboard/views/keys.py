"""Keys: who uses what, at what cost, near which limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.display.cells import Meter
from dashboard.display.charts import Chart
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.pages.tokens_by_name import Charted, tokens_by_name
from dashboard.queries import keys, models
from dashboard.queries.hours import Group
from dashboard.queries.keys import KeyUsage, KnownKeys, PairUsage
from dashboard.queries.sums.bars import Bars
from dashboard.tables import exports, shared_columns
from dashboard.tables.pairs import PairRows
from dashboard.tables.shared_columns import BarsOf
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import TOKENS


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """All keys: those that were used, and those that could be."""
    frame = Frame(request)
    known = KnownKeys.read()
    compared = frame.compares and TOKENS
    found = keys.used(frame.range, known, compared=compared, sliced=False)
    rows = _completed([*found, *keys.unused(known, found)], keys.budgets(known, frame.now))
    owners, bars = known.owners(), Bars(frame.range, keys.IDENTITY)
    source = InMemory(rows, lambda use: use.owner.slug)
    columns = _columns(frame, rows, owners, lambda use: bars.of(_group(use)))
    table = Table(frame, "Keys", columns, source, "-tokens")
    pairs = _pairs(frame, known, owners)
    bars.read(map(_group, table.page.rows))
    if file := exports.answer(table, pairs):
        return file
    chart = _chart(frame, rows, source.passing(table.filters), bars)
    return page(request, "keys", frame, table=table, pairs=pairs, chart=chart)


def _group(use: KeyUsage) -> Group:
    return use.owner.key_id, use.owner.fingerprint


def _chart(frame: Frame, rows: list[KeyUsage], passing: list[KeyUsage], bars: Bars) -> Chart:
    shown = {use.owner.slug for use in passing}
    left_out = [
        _group(use) for use in rows if use.sums.total.tokens and use.owner.slug not in shown
    ]
    groups = [
        Charted(use.owner.shown, use.owner.slug, _group(use), use.sums.total.tokens)
        for use in passing
    ]
    return tokens_by_name(frame, "Tokens by key", groups, left_out, bars, "key_id")


def _completed(found: list[KeyUsage], meters: Mapping[int, Meter]) -> list[KeyUsage]:
    """With their budgets and their last use."""
    exact = keys.last_used()
    return [
        replace(
            use,
            meter=meters.get(use.owner.key_id),
            used_at=exact.get(use.owner.key_id, use.sums.last_hour),
        )
        for use in found
    ]


def _columns(
    frame: Frame, rows: Sequence[KeyUsage], owners: Mapping[int, str], bars: BarsOf
) -> list[Column]:
    """Owners and budgets have a column where any key has one."""
    has_owners = any(owners.get(use.owner.key_id) for use in rows)
    has_budgets = any(use.meter for use in rows)
    return [
        Column("key", "Key", "name", lambda u: u.owner.shown, link=_link(frame)),
        Column("kind", "Kind", "text", lambda u: u.owner.kind, "How it is known", filter=True),
        *([_owner(owners)] if has_owners else []),
        *shared_columns.drilled(
            frame, shared_columns.use(frame, bars), lambda use: {"key_id": use.owner.slug}
        ),
        *([_BUDGET] if has_budgets else []),
        Column(
            "last_used",
            "Last used",
            "time",
            lambda use: use.used_at,
            "Issued keys: to the second, at any time; others: the last hour of this time",
        ),
    ]


def _link(frame: Frame) -> Callable[[KeyUsage | PairUsage], str]:
    return lambda use: frame.to("key", use.owner.slug)


def _owner(owners: Mapping[int, str]) -> Column:
    """A deleted key keeps the one that it had."""
    return Column(
        "owner",
        "Owner",
        "text",
        lambda use: owners.get(use.owner.key_id, ""),
        "Who to ask about it; the chart above shows the keys of an owner who is chosen",
        filter=True,
    )


def _pairs(frame: Frame, known: KnownKeys, owners: Mapping[int, str]) -> Table[PairUsage]:
    """What each key spent on each model: what is charged back to whoever has the key."""

    def asked(use: PairUsage) -> dict[str, str]:
        return {"key_id": use.owner.slug, "model": use.model or models.NO_MODEL}

    columns = [
        Column("key", "Key", "name", lambda use: use.owner.shown, link=_link(frame)),
        replace(_owner(owners), hint="Who to ask about it"),
        Column("model", "Model", "name", lambda use: use.model or models.NO_MODEL, filter=True),
        shared_columns.REQUESTS,
        shared_columns.TOKENS,
        shared_columns.COST,
        *shared_columns.SUMS,
    ]
    return Table(
        frame,
        "Keys and models",
        shared_columns.drilled(frame, columns, asked),
        PairRows(frame.range, known),
        "-cost",
        "pairs",
        empty="What each key uses of each model is listed here.",
    )


_BUDGET = Column(
    "budget",
    "Budget",
    "meter",
    lambda use: use.meter,
    "Spent in the running day, week or month of UTC, or ever",
)
