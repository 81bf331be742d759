"""What a client is answered that asks whether its person has decided, and how often it may ask."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bridge.sign_in import failures
from bridge.sign_in.failures import NoTokensError

EXPIRES_IN = 600
"""Seconds for which a device code is good."""
INTERVAL, SLOWER, SLOWEST = 5, 5, 60
"""Seconds between two questions, how many more after each that came too soon, and the most."""
TOLERANCE = 1.0
"""Seconds that a question may come early: networks do not keep distances."""


class RequestState(StrEnum):
    """Where a device authorization stands. It expires beside that."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    REDEEMED = "redeemed"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device authorization as its client left it. `polled_at`: the question before this one."""

    state: RequestState
    expires_at: datetime
    interval: int = INTERVAL
    polled_at: datetime | None = None

    def is_hasty(self, now: datetime) -> bool:
        """Whether a question at this moment comes too soon."""
        if self.polled_at is None:
            return False
        return (now - self.polled_at).total_seconds() < self.interval - TOLERANCE

    def slower(self) -> int:
        return min(self.interval + SLOWER, SLOWEST)


def problem(waiting: Waiting, now: datetime) -> NoTokensError | None:
    """Why there are no tokens; None where they are due."""
    if waiting.state is RequestState.REDEEMED:
        return NoTokensError(failures.INVALID_GRANT, "device_code: it was used already")
    if waiting.state is RequestState.DENIED:
        return NoTokensError(failures.DENIED, "The sign-in was denied in the browser")
    if waiting.expires_at <= now:
        return NoTokensError(failures.EXPIRED, "device_code: it has expired, begin anew")
    if waiting.state is RequestState.APPROVED:
        return None
    if waiting.is_hasty(now):
        return NoTokensError(failures.SLOW_DOWN, f"Ask every {waiting.slower()} seconds")
    return NoTokensError(failures.PENDING, "The sign-in waits to be confirmed in the browser")
