"""Keys: who uses what, at what cost, near which limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from dashboard.display import chart_builders
from dashboard.display.cells import Meter
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import keys
from dashboard.queries.keys import KeyUsage, KnownKeys
from dashboard.tables import exports, shared_columns
from dashboard.tables.table import Column, InMemory, Table


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """All keys: those that were used, and those that could be."""
    frame = Frame(request)
    known = KnownKeys.read()
    found = keys.used(frame.range, known, compared=frame.compares)
    rows = _with_meters([*found, *keys.unused(known, found)], keys.budgets(known, frame.now))
    source = InMemory(rows, lambda use: use.owner.slug)
    table = Table(frame, "Keys", list(_columns(frame, rows)), source, "-tokens")
    chart = chart_builders.by_name(
        "tokens",
        "Tokens by key",
        "tokens",
        frame.range.slots(),
        [(u.owner.shown, u.owner.slug, u.sums.slots) for u in source.passing(table.filters)],
        lambda total: total.tokens,
    )
    return exports.answer(table) or page(request, "keys", frame, table=table, chart=chart)


def _with_meters(found: list[KeyUsage], meters: Mapping[int, Meter]) -> list[KeyUsage]:
    return [replace(use, meter=meters.get(use.owner.key_id)) for use in found]


def _columns(frame: Frame, rows: Sequence[KeyUsage]) -> list[Column]:
    """Owners and budgets have a column where any key has one."""
    has_owners = any(use.row and use.row.owner for use in rows)
    has_budgets = any(use.meter for use in rows)
    return [
        Column("key", "Key", "name", lambda u: u.owner.shown, link=_link(frame)),
        Column("kind", "Kind", "text", lambda u: u.owner.kind, "How it is known", filter=True),
        *([_OWNER] if has_owners else []),
        *shared_columns.use(frame),
        *([_BUDGET] if has_budgets else []),
        shared_columns.LAST_USED,
    ]


def _link(frame: Frame) -> Callable[[KeyUsage], str]:
    return lambda use: frame.to("key", use.owner.slug)


_OWNER = Column(
    "owner",
    "Owner",
    "text",
    lambda use: use.row.owner if use.row else "",
    "Who to ask about it; the chart above shows the keys of an owner who is chosen",
    filter=True,
)
_BUDGET = Column(
    "budget",
    "Budget",
    "meter",
    lambda use: use.meter,
    "Spent in the running day, week or month of UTC, or ever",
)
