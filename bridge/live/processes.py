"""Which processes serve with this database, and what keeps them from counting limits together.

Each has a row that it renews. A process that was killed leaves its row behind, which counts until
it is too old; on this host it counts no longer than the process lives.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import socket
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.db import Error
from django.utils import timezone

from bridge.database_steps import in_database
from bridge.ledger import upsert
from bridge.models import GatewayProcess
from bridge.models.processes import ALIVE

RENEW_SECONDS = 10.0
KEPT = timedelta(days=1)
_RULES = {
    "host": upsert.LATEST,
    "pid": upsert.LATEST,
    "seen_at": upsert.MOST,
    "problem": upsert.LATEST,
    "troubles": upsert.LATEST,
    "waiting": upsert.LATEST,
    "lag_seconds": upsert.LATEST,
    "disk_percent": upsert.LATEST,
}


def nothing_waits() -> tuple[int, float]:
    """What a process without a ledger is behind by."""
    return 0, 0.0


class ProcessRegistry:
    """The row of this process, and how many `others` have one.

    `problem` says what is wrong with limits, `troubles` what else operators should know, one
    sentence each; `noticed` is called with the number of others. `behind` is how many usage records
    wait, and for how many seconds; `folder` is where the data is.
    """

    def __init__(
        self,
        problem: Callable[[], str],
        noticed: Callable[[int], None],
        troubles: Callable[[], list[str]] = list,
        behind: Callable[[], tuple[int, float]] = nothing_waits,
        folder: Path | None = None,
    ) -> None:
        self.others = 0
        self._problem = problem
        self._noticed = noticed
        self._troubles = troubles
        self._behind = behind
        self._folder = folder
        self._host, self._pid = socket.gethostname()[:80], os.getpid()
        self._name = f"{self._host}:{self._pid}:{secrets.token_hex(4)}"

    async def run(self) -> None:
        """Renew the row until cancelled. While the database is away nobody is counted anew."""
        while True:
            try:
                self.others = await in_database(self.renew)()
            except Error:
                pass  # what writes more than this says so
            else:
                self._noticed(self.others)
            await asyncio.sleep(RENEW_SECONDS)

    async def aclose(self) -> None:
        """The process ends."""
        try:
            async with asyncio.timeout(1):
                await in_database(self._leave)()
        except (Error, TimeoutError):
            pass  # the row grows old

    # --- in a thread ---

    def renew(self) -> int:
        """Say that this process serves; how many others do. Raises django.db.Error."""
        now = timezone.now()
        waiting, lag_seconds = self._behind()
        row = {
            "name": self._name,
            "host": self._host,
            "pid": self._pid,
            "seen_at": now,
            "problem": self._problem()[:300],
            "troubles": "\n".join(self._troubles()),
            "waiting": waiting,
            "lag_seconds": lag_seconds,
            "disk_percent": disk_percent(self._folder) if self._folder else 0.0,
        }
        upsert.merge(GatewayProcess, ("name",), _RULES, [row])
        GatewayProcess.objects.filter(seen_at__lt=now - KEPT).delete()
        return sum(row.name != self._name for row in living())

    def _leave(self) -> None:
        GatewayProcess.objects.filter(name=self._name).delete()


def disk_percent(folder: Path) -> float:
    """How full the disk of this folder is, for those who are not root; 0 for one that is away."""
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return 0.0
    usable = disk.used + disk.free
    return 100.0 * disk.used / usable if usable else 0.0


def living(now: datetime | None = None) -> list[GatewayProcess]:
    """The processes that serve now."""
    since = (now or timezone.now()) - ALIVE
    rows = GatewayProcess.objects.filter(seen_at__gt=since).order_by("name")
    host = socket.gethostname()[:80]
    return [row for row in rows if row.host != host or _is_running(row.pid)]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
