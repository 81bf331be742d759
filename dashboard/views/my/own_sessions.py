"""A visitor's own working sessions: all of a time, and one turn by turn."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageSession
from dashboard.pages.own import OwnFrame, Visitor, for_visitors, missing
from dashboard.pages.page import page
from dashboard.queries import sessions
from dashboard.tables import exports
from dashboard.tables.keyset import Rows
from dashboard.tables.session_tables import sums_columns
from dashboard.tables.table import Column, Table
from dashboard.usage.key_owners import ISSUED, Owner
from dashboard.views import one_session


@require_safe
@for_visitors
def every(request: HttpRequest, visitor: Visitor) -> HttpResponseBase:
    """Six queries at most."""
    frame = OwnFrame(request, visitor, comparing=False)
    table = Table(
        frame,
        "Sessions",
        [
            Column("session", "Session", "id", link=lambda row: frame.to("session", row.pk)),
            Column("first_at", "Begun", "time"),
            Column("last_at", "Last turn", "time"),
            Column("key", "Key", filter=True, sorts=False),
            *sums_columns(),
        ],
        Rows(sessions.within(frame.range).filter(visitor.sessions())),
        "-last_at",
        note="Each counts whole, also the turns before this time.",
        empty="Clients such as Claude Code name their session; it gets a line here.",
    )
    return exports.answer(table) or page(request, "my/sessions", frame, table=table)


@require_safe
@for_visitors
def one(request: HttpRequest, visitor: Visitor, pk: int) -> HttpResponseBase:
    """Six queries at most."""
    frame = OwnFrame(request, visitor, comparing=False)
    row = UsageSession.objects.filter(visitor.sessions(), pk=pk).first()
    if row is None:
        return missing(request, frame, "session")
    owner = Owner(row.key_id, row.fingerprint, row.key, ISSUED)
    return one_session.shown(request, frame, row, owner)
