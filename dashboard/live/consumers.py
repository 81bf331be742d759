"""The socket of the live page: what every process tells, passed on to one browser.

    {"type": "recent", "now": ..., "finished": [...], "buckets": {...}}   at the beginning, twice
    {"type": "beat", "process": ..., "at": ..., "running": [...], ...}    each second, each process

While it is open it says every few seconds that somebody watches, and looks whether that somebody
still may.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from importlib import import_module
from typing import Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.utils import timezone

from bridge.accounts.roles import may_see_reports
from bridge.cluster.layer_errors import layer_errors
from bridge.live.messages import ANNOUNCE_SECONDS, GATEWAYS, WATCHED, WATCHERS
from bridge.models.usage import key_names
from dashboard.queries.live import recent
from dashboard.usage import key_owners

NOT_ALLOWED = 4403
TRY_LATER = 1013
SETTLED_SECONDS = 3.0
"""By then the ledger has what ended before this process was heard."""

LiveMessage = dict[str, Any]


class Live(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """One open page. Refused to those who may not see reports."""

    def __init__(self) -> None:
        super().__init__()
        self._announcing: asyncio.Task[None] | None = None
        self._names: dict[tuple[int, str], str] = {}
        self._sent_away = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._announcing is not None:
                self._announcing.cancel()

    async def connect(self) -> None:
        if not await _may_watch(self.scope, while_away=False):
            await self.close()
            return
        await self.channel_layer.group_add(WATCHERS, self.channel_name)
        await self.accept()
        await self._begin()
        self._announcing = asyncio.get_running_loop().create_task(self._announce())

    async def disconnect(self, code: int) -> None:
        with suppress(*layer_errors(with_redis=bool(settings.REDIS_URL))):
            await self.channel_layer.group_discard(WATCHERS, self.channel_name)

    async def receive(self, *_: Any, **__: Any) -> None:
        """Nothing that a page says is of interest."""

    async def beat(self, message: LiveMessage) -> None:
        """One second of one process."""
        if self._sent_away:
            return
        beat_message = message["beat"]
        for one in (*beat_message["running"], *beat_message["finished"]):
            self._name(one)
        await self.send_json({"type": "beat", **beat_message})

    async def _begin(self) -> None:
        """What the ledger knows. Without a database the page begins empty."""
        with suppress(DatabaseError, InterfaceError):
            self._names = await database_sync_to_async(key_names)()
            recent_requests = await database_sync_to_async(recent)(timezone.now())
            for one in recent_requests["finished"]:
                self._name(one)
            await self.send_json({"type": "recent", **recent_requests})

    def _name(self, one: LiveMessage) -> None:
        """Call its key as it is called today, and say where it is to be found."""
        who = one["key_id"], one["fingerprint"]
        one["key"] = self._names.get(who) or one["key"] or key_owners.UNNAMED
        one["owner"] = key_owners.slug(*who)

    async def _announce(self) -> None:
        """Say that somebody watches, as long as it may."""
        with suppress(OSError):  # the page has just gone
            await self._tell()
            await asyncio.sleep(SETTLED_SECONDS)
            await self._begin()
            while await _may_watch(self.scope, while_away=True):
                await self._tell()
                await asyncio.sleep(ANNOUNCE_SECONDS)
            self._sent_away = True
            await self.close(NOT_ALLOWED)

    async def _tell(self) -> None:
        with suppress(*layer_errors(with_redis=bool(settings.REDIS_URL))):
            await self.channel_layer.group_send(GATEWAYS, WATCHED)


async def live(scope: Any, receive: Any, send: Any) -> None:
    """The consumer as an application. Without a channel layer it asks to come back later."""
    try:
        await Live.as_asgi()(scope, receive, send)
    except layer_errors(with_redis=bool(settings.REDIS_URL)):
        await send({"type": "websocket.close", "code": TRY_LATER})


async def nowhere(scope: Any, receive: Any, send: Any) -> None:
    """There is no socket at this address."""
    await send({"type": "websocket.close"})


async def _may_watch(scope: Any, while_away: bool) -> bool:
    """Whether the login still holds, and its user may see reports.

    `while_away`: the answer while there is no database to ask.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    session = store(session_key=scope["session"].session_key)
    try:
        user = await get_user({**scope, "session": session})
        return bool(await database_sync_to_async(may_see_reports)(user))
    except (DatabaseError, InterfaceError):
        return while_away
