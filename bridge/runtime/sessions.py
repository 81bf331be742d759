"""Sessions of the pages that are over leave the database, a few at a time."""

from __future__ import annotations

import asyncio

from channels.db import database_sync_to_async
from django.contrib.sessions.models import Session
from django.db import Error
from django.utils import timezone

PERIOD = 3600.0
RETRY_SECONDS = 60.0
AT_ONCE = 1000


async def keep_cleared() -> None:
    """Look once an hour. Several processes may do so at the same time."""
    while True:
        try:
            while await database_sync_to_async(clear)() == AT_ONCE:
                pass
        except Error:
            await asyncio.sleep(RETRY_SECONDS)  # who needs the database more says that it is away
        else:
            await asyncio.sleep(PERIOD)


def clear() -> int:
    """Delete sessions that are over, at most so many; how many it were. Raises django.db.Error."""
    over = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    keys = list(over.values_list("pk", flat=True)[:AT_ONCE])
    Session.objects.filter(pk__in=keys).delete()
    return len(keys)
