"""Delivers what the outbox has, in the process that leads."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from datetime import UTC, datetime

from django.db import Error

from bridge.clocks import SYSTEM, Clock
from bridge.database_steps import in_database
from bridge.live.leader import Leader
from bridge.models import WarningRule
from bridge.pauses import Pause
from bridge.warnings import mail, outbox, webhook
from bridge.warnings.delivery_error import DeliveryError
from bridge.warnings.messages import Destination, WarningMessage
from bridge.warnings.outbox import Due

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
IN_A_ROW = 20
"""Deliveries of one rule before the others are looked at again."""


class WarningSender:
    """Sends for all rules side by side, and for each of them in order.

    `timeout`: seconds that a webhook has for its answer.
    """

    def __init__(
        self,
        leader: Leader,
        wall: Clock = SYSTEM.wall,
        pause: float = LOOK_SECONDS,
        timeout: float = webhook.TIMEOUT_SECONDS,
    ) -> None:
        self._pause = Pause(pause)
        self._timeout = timeout
        self._leader = leader
        self._wall = wall

    def wake(self) -> None:
        """Look now."""
        self._pause.end()

    async def run(self) -> None:
        """Send until cancelled, while this process leads."""
        while True:
            if self._leader.is_leading:
                with suppress(Error):  # what writes more than this says that the database is away
                    await self.send_due()
            await self._pause.over()

    async def send_due(self) -> None:
        """Make one try of what is due, and of what stands behind it. Raises django.db.Error."""
        found: list[Due] = await in_database(outbox.due)(self._now())
        for error in await asyncio.gather(*map(self._send_row_of, found), return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    async def _send_row_of(self, first: Due) -> None:
        """The deliveries of one rule, up to the first that fails."""
        each: Due | None = first
        for _ in range(IN_A_ROW):
            if each is None or not self._leader.is_leading or not await self._try(each):
                return
            each = await in_database(outbox.due_of)(each.rule, self._now())

    async def _try(self, each: Due) -> bool:
        if not await in_database(outbox.claim)(each, self._now()):
            return False
        try:
            to = await in_database(outbox.destination)(each.rule)
            await send(each.message, to, self._now(), self._timeout)
        except WarningRule.DoesNotExist:
            return False
        except DeliveryError as error:
            logger.warning("a warning could not be sent (try %d): %s", each.tries + 1, error.reason)
            await in_database(outbox.failed)(each, error.reason)
            return False
        await in_database(outbox.delivered)(each, self._now())
        return True

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._wall(), UTC)


async def send(
    message: WarningMessage,
    to: Destination,
    now: datetime,
    seconds: float = webhook.TIMEOUT_SECONDS,
) -> None:
    """Send one message to one destination. Raises DeliveryError."""
    if to.recipients:
        await asyncio.to_thread(mail.send, message, to.recipients)
        return
    body = message.as_json()
    lines = webhook.headers(to.secret, message.id, int(now.timestamp()), body)
    await webhook.post(to.address, lines, body, seconds)
