"""Processes as far as their warnings are concerned, and rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async

from bridge.clocks import Clocks
from bridge.live.leader import Leader
from bridge.models import UsageHour, WarningRule
from bridge.warnings.sender import WarningSender
from bridge.warnings.watcher import Watcher
from tests.bridge.making import Clock
from tests.fakes.webhook import MailServer

BEGIN = datetime(2026, 11, 11, 12, tzinfo=UTC)
"""A Wednesday in the middle of a month."""
SECRET = "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlciwgMzIgYnl0ZXM="


class Times:
    """The wall clock and the steady clock of all processes, moved together."""

    def __init__(self) -> None:
        self.wall, self.steady = Clock(BEGIN.timestamp()), Clock()
        self.clocks = Clocks(self.wall, self.steady)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.wall.now, UTC)

    def pass_by(self, **parts: float) -> None:
        seconds = timedelta(**parts).total_seconds()
        self.wall.advance(seconds)
        self.steady.advance(seconds)


class WarningProcess:
    """A process as far as its warnings are concerned."""

    def __init__(self, times: Times, timeout: float = 60.0) -> None:
        self.leader = Leader("scheduled work", times.steady)
        self.watcher = Watcher(self.leader, times.clocks)
        self.sender = WarningSender(self.leader, times.wall, timeout=timeout)

    async def work(self) -> None:
        """One round of everything that runs in the background."""
        await sync_to_async(self.leader.step)()
        if self.leader.is_leading:
            await sync_to_async(self.watcher.look)()
            await self.sender.send_due()


def a_rule(name: str = "all", **fields: Any) -> WarningRule:
    """A rule, checked and saved."""
    rule = WarningRule(name=name, **fields)
    rule.full_clean()
    rule.save()
    return rule


def spend(dollars: float, at: datetime = BEGIN, **whose: int) -> None:
    """What an account used in one hour; `whose` is key_id, person_id or team_id."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    row, _ = UsageHour.objects.get_or_create(None, hour=hour, **whose)
    row.requests += 1
    row.cost_nano_usd += round(dollars * 10**9)
    row.save()


def use_mail_server(settings: Any, server: MailServer) -> None:
    """Django's tests keep mails to themselves, unless the settings say this."""
    place = urlsplit(server.url)
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_URL = server.url
    settings.EMAIL_HOST, settings.EMAIL_PORT = place.hostname, place.port
    settings.EMAIL_FROM = settings.DEFAULT_FROM_EMAIL = "gateway@example.com"
