"""A visitor's own keys: their table, and a new one in place of one that is good.

Whoever holds a key may rotate it. A key whose overlap runs is no longer the one that is held: it
could be one that leaked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from bridge.accounts import key_holders
from bridge.models import ApiKey, KeyUse
from bridge.models.changes import recorded
from bridge.models.people.keys import KeyKind
from dashboard.display.cells import StateCell
from dashboard.pages import key_holder_session
from dashboard.pages.own import OwnFrame, Visitor, for_visitors, missing
from dashboard.pages.page import page
from dashboard.queries import keys as key_queries
from dashboard.queries.keys import KnownKeys
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage.totals import Totals

OVERLAPS = {"24": "a day", "1": "an hour", "168": "a week", "0": "not at all"}
"""Hours for which the old key stays good, and how that is called; the first is the usual one."""
TONES = {"good": "good", "switched off": "quiet", "expired": "warn", "revoked": "bad"}


# --- the table ------------------------------------------------------------------------------------


def tables(frame: OwnFrame, keys: Sequence[ApiKey]) -> dict[str, Table[Any]]:
    """The keys of a person with what each used; nothing for somebody with a key. Two queries."""
    if frame.visitor.holder is not None:
        return {}
    known = KnownKeys({row.pk: row for row in keys})
    used = key_queries.used(
        frame.range, known, only=frame.visitor.used, compared=False, sliced=False
    )
    sums = {use.owner.key_id: use.sums.total for use in used}
    return {"keys": _table(frame, keys, sums, _last_used(keys))}


def _last_used(keys: Sequence[ApiKey]) -> Mapping[int, datetime]:
    rows = KeyUse.objects.filter(key_id__in=[row.pk for row in keys]).order_by()
    return dict(rows.values_list("key_id").annotate(Max("last_at")))


def _table(
    frame: OwnFrame,
    keys: Sequence[ApiKey],
    sums: Mapping[int, Totals],
    last_used: Mapping[int, datetime],
) -> Table[ApiKey]:
    nothing = Totals()

    def used(row: ApiKey) -> Totals:
        return sums.get(row.pk, nothing)

    return Table(
        frame,
        "Your keys",
        [
            Column("name", "Key", "name"),
            Column("last_four", "Ends in", value=lambda row: f"…{row.last_four}", sorts=False),
            Column("state", "State", "state", lambda row: StateCell(row.state, TONES[row.state])),
            Column(
                "rotate",
                "New key",
                value=lambda row: "Rotate" if row.state == "good" else None,
                link=lambda row: frame.to("rotate", row.pk) if row.state == "good" else "",
                sorts=False,
                exports=False,
            ),
            Column("tokens", "Tokens", "tokens", lambda row: used(row).tokens),
            Column("cost", "Cost", "money", lambda row: used(row).cost),
            Column("last_used", "Last used", "time", lambda row: last_used.get(row.pk)),
            Column("expires_at", "Good until", "time"),
        ],
        InMemory(keys, lambda row: row.name),
        "name",
        "keys",
        empty="No key was issued to you. Ask the operator of this gateway for one.",
    )


# --- a new key ------------------------------------------------------------------------------------


def can_rotate(visitor: Visitor) -> bool:
    """Whether somebody with a key may put a new one in its place."""
    return visitor.holder is not None and _may_rotate(visitor, visitor.holder.row)


def _may_rotate(visitor: Visitor, row: ApiKey | None) -> bool:
    if row is None or row.kind != KeyKind.ISSUED or row.state != "good":
        return False
    if visitor.holder is not None:
        return key_holders.is_current(visitor.holder, row)
    return visitor.person is not None and row.person_id == visitor.person.pk


@require_http_methods(["GET", "HEAD", "POST"])
@for_visitors
def rotate(request: HttpRequest, visitor: Visitor, pk: int) -> HttpResponse:
    """Ask first, and then show the new key, this once: not stored, not in a message, not cached."""
    frame = OwnFrame(request, visitor, comparing=False)
    row = next((key for key in visitor.own_keys() if key.pk == pk), None)
    if row is None or not _may_rotate(visitor, row):
        return missing(request, frame, "key that can be rotated")
    overlap = request.POST.get("overlap", "")
    if request.method != "POST" or overlap not in OVERLAPS:
        problem = "overlap: choose one of these" if request.method == "POST" else ""
        context = {"row": row, "overlaps": OVERLAPS, "problem": problem}
        return page(request, "my/rotate", frame, 400 if problem else 200, **context)
    return _rotated(request, frame, visitor, pk, int(overlap))


def _rotated(
    request: HttpRequest, frame: OwnFrame, visitor: Visitor, pk: int, hours: int
) -> HttpResponse:
    with recorded(visitor.actor):
        row = ApiKey.objects.select_for_update().get(pk=pk)
        if not _may_rotate(visitor, row):  # somebody else was faster
            return missing(request, frame, "key that can be rotated")
        text = row.rotate(timedelta(hours=hours))
    response = page(request, "my/rotated", frame, row=row, key=text, home=reverse("my"))
    if visitor.holder is not None and (now := key_holders.holder_of(text)):
        key_holder_session.begin(response, now)
    return response
