"""How often somebody at one address may be wrong: counted in memory, by each process for itself."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from bridge.accounts.login_throttle import client_address


@dataclass(frozen=True, slots=True)
class Tries:
    """Failures of one kind; `prefix` tells its counters from others. As many as for logins."""

    prefix: str

    def is_locked(self, request: HttpRequest) -> bool:
        """Whether this address failed too often of late."""
        return int(cache.get(self._counter(request), 0)) >= int(settings.LOGIN_FAILURES)

    def failed(self, request: HttpRequest) -> None:
        """It was wrong once more."""
        name = self._counter(request)
        cache.add(name, 0, settings.LOGIN_LOCK_SECONDS)
        try:
            cache.incr(name)
        except ValueError:  # it ended in between
            cache.add(name, 1, settings.LOGIN_LOCK_SECONDS)

    def _counter(self, request: HttpRequest) -> str:
        return self.prefix + (client_address(request) or "unknown")
