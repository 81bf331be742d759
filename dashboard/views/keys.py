"""Keys: who uses what, at what cost, near which limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models.usage import key_owners
from dashboard.display import chart_builders
from dashboard.display.cells import Meter
from dashboard.display.chart_builders import Behind
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import keys, models
from dashboard.queries.keys import KeyUsage, KnownKeys, PairUsage
from dashboard.tables import exports, shared_columns
from dashboard.tables.table import Column, InMemory, Table


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """All keys: those that were used, and those that could be."""
    frame = Frame(request)
    known = KnownKeys.read()
    found = keys.used(frame.range, known, compared=frame.compares)
    rows = _completed([*found, *keys.unused(known, found)], keys.budgets(known, frame.now))
    owners = key_owners()
    source = InMemory(rows, lambda use: use.owner.slug)
    table = Table(frame, "Keys", list(_columns(frame, rows, owners)), source, "-tokens")
    chart = chart_builders.by_name(
        "tokens",
        "Tokens by key",
        "tokens",
        frame.range.slots(),
        [(u.owner.shown, u.owner.slug, u.sums.slots) for u in source.passing(table.filters)],
        lambda total: total.tokens,
        Behind(frame.to_requests),
        "key_id",
    )
    pairs = _pairs(frame, known, owners)
    return exports.answer(table, pairs) or page(
        request, "keys", frame, table=table, pairs=pairs, chart=chart
    )


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


def _columns(frame: Frame, rows: Sequence[KeyUsage], owners: Mapping[int, str]) -> list[Column]:
    """Owners and budgets have a column where any key has one."""
    has_owners = any(owners.get(use.owner.key_id) for use in rows)
    has_budgets = any(use.meter for use in rows)
    return [
        Column("key", "Key", "name", lambda u: u.owner.shown, link=_link(frame)),
        Column("kind", "Kind", "text", lambda u: u.owner.kind, "How it is known", filter=True),
        *([_owner(owners)] if has_owners else []),
        *shared_columns.drilled(
            frame, shared_columns.use(frame), lambda use: {"key_id": use.owner.slug}
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
        InMemory(keys.pairs(frame.range, known), lambda use: f"{use.owner.slug} {use.model}"),
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
