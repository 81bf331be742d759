"""What people left behind that is over leaves the database, a few rows at a time: sessions of the
pages, sign-ins of clients, and requests for one."""

from __future__ import annotations

import asyncio

from django.contrib.sessions.models import Session
from django.db import Error
from django.utils import timezone

from bridge.accounts.clients import device_requests, sign_ins
from bridge.database_steps import in_database

PERIOD = 3600.0
RETRY_SECONDS = 60.0
AT_ONCE = 1000


async def keep_cleared() -> None:
    """Look once an hour. Several processes may do so at the same time."""
    while True:
        try:
            while await in_database(clear_all)():
                pass
        except Error:
            await asyncio.sleep(RETRY_SECONDS)  # who needs the database more says that it is away
        else:
            await asyncio.sleep(PERIOD)


def clear_all() -> bool:
    """Delete some of each kind; whether there may be more. Raises django.db.Error."""
    found = (clear(), device_requests.clear(AT_ONCE), sign_ins.clear(AT_ONCE))
    return AT_ONCE in found


def clear() -> int:
    """Delete sessions that are over, at most so many; how many it were. Raises django.db.Error."""
    over = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    keys = list(over.values_list("pk", flat=True)[:AT_ONCE])
    Session.objects.filter(pk__in=keys).delete()
    return len(keys)
