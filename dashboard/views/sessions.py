"""What each piece of work cost: one row for each session of a time."""

from __future__ import annotations

from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from bridge.models import UsageSession
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import requests, sessions
from dashboard.queries.keys import KnownKeys
from dashboard.tables import exports
from dashboard.tables.keyset import Rows
from dashboard.tables.session_tables import sums_columns
from dashboard.tables.table import Column, Table


@require_safe
@for_readers
def every(request: HttpRequest) -> HttpResponseBase:
    """Seven queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    table = Table(
        frame,
        "Sessions",
        [*_which(frame, KnownKeys.read()), *sums_columns()],
        Rows(sessions.within(frame.range)),
        "-last_at",
        note="Each counts whole, also the turns before this time.",
        empty="Nobody worked in a session in this time.",
    )
    return exports.answer(table) or page(request, "sessions", frame, table=table)


def _which(frame: Frame, known: KnownKeys) -> list[Column]:
    def key(row: UsageSession) -> str:
        return known.owner(row.key_id, row.fingerprint, row.key).shown

    def of_key(name: str) -> Q:
        return requests.of_key(known, name)

    return [
        Column("session", "Session", "id", link=lambda row: frame.to("session", row.pk)),
        Column("first_at", "Begun", "time"),
        Column("last_at", "Last turn", "time"),
        Column("key", "Key", value=key, filter=True, where=of_key, sorts=False),
    ]
