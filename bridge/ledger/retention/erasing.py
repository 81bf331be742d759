"""What the ledger gives up: rows and sign-ins that are too old, samples that are too many.

A few rows at a time, so that no transaction is long.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from bridge.ledger import upsert
from bridge.ledger.retention import samples
from bridge.models import Change, UsageHorizon, UsageRecord
from bridge.models.people.persons import SIGN_INS

ERASE_ROWS = 1000


def erase_some(days: int, samples_max_bytes: int) -> bool:
    """Rows that are older than so many `days` (0: none are), and samples beyond that many bytes;
    whether there may be more. Raises django.db.Error."""
    is_more = samples.shrink(samples_max_bytes)
    if not days:
        return is_more
    before = datetime.now(UTC) - timedelta(days=days)
    return ERASE_ROWS in (erase(before), erase_sign_ins(before)) or is_more


@transaction.atomic
def erase(before: datetime, limit: int = ERASE_ROWS) -> int:
    """Delete the oldest rows of requests from before that hour, at most so many; sums stay."""
    hour = before.replace(minute=0, second=0, microsecond=0)
    oldest = UsageRecord.objects.filter(time__lt=hour).order_by("time")
    found = list(oldest.values_list("pk", flat=True)[:limit])
    if found:
        horizon = {"id": 1, "complete_from": hour}
        upsert.merge(UsageHorizon, ("id",), {"complete_from": upsert.MOST}, [horizon])
        UsageRecord.objects.filter(pk__in=found).delete()
    return len(found)


def erase_sign_ins(before: datetime, limit: int = ERASE_ROWS) -> int:
    """Delete the oldest sign-ins of the history, at most so many. They say who came when and from
    where, as rows of requests do; changes stay."""
    oldest = Change.objects.filter(kind=SIGN_INS, at__lt=before).order_by("at")
    found = list(oldest.values_list("pk", flat=True)[:limit])
    if found:
        Change.objects.filter(pk__in=found).delete()
    return len(found)
