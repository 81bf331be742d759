"""Requests and sessions by the beginning of their ids."""

from __future__ import annotations

from django.db import connection
from django.db.models import Q

from bridge.models import UsageRecord, UsageSession

LONGEST = 100
MOST = 20
_LAST = "\U0010ffff"


def requests(text: str) -> list[UsageRecord]:
    """Those whose id begins so, the newest MOST; only the one with exactly this id where it is
    there. Two queries at most, each by an index."""
    rows = UsageRecord.objects.defer("detail")
    exactly = rows.filter(request_id=text).first()
    return [exactly] if exactly else list(rows.filter(_begins("request_id", text))[:MOST])


def sessions(text: str) -> list[UsageSession]:
    """Those whose id begins so, the newest first. One query."""
    found = UsageSession.objects.filter(_begins("session", text))[: 10 * MOST]
    return sorted(found, key=lambda row: row.last_at, reverse=True)[:MOST]


def _begins(column: str, text: str) -> Q:
    """As a range in SQLite, which uses an index for LIKE in no other form; PostgreSQL has one for
    LIKE, and its order of texts is that of a language."""
    if connection.vendor == "sqlite":
        return Q(**{f"{column}__gte": text, f"{column}__lt": f"{text}{_LAST}"})
    return Q(**{f"{column}__startswith": text})
