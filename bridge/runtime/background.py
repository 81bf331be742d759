"""Work beside the requests, for as long as the process lives.

Work that ends by an unexpected error is begun again, after a pause that grows from one error to the
next. Until it has run well for a while, operators are shown what is the matter with it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bridge.clocks import Clock
from bridge.translation.errors.redaction import redact

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
WELL_AFTER = 120.0
"""Seconds without an error after which the last one is forgotten."""
TEXT_LIMIT = 200
LAST_SECONDS = 2.0
"""What errands under way get at the end of the process."""

_sleep = asyncio.sleep
Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Work that keeps failing: how often in a row, the last error, and when (monotonic)."""

    name: str
    failures: int
    error: str
    at: float

    def __str__(self) -> str:
        times = "" if self.failures == 1 else f" {self.failures} times"
        return f"Background work “{self.name}” failed{times} and was started again: {self.error}"


class Background:
    """The background work of one process."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._troubles: dict[str, Trouble] = {}
        self._kept: set[asyncio.Task[None]] = set()
        self._errands: set[asyncio.Task[None]] = set()

    def keep(self, work: Work, name: str) -> None:
        """Do this until `aclose`, or until it ends by itself."""
        _start(self._keep(work, name), self._kept)

    def once(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Do something that no request waits for. An error is logged, and that is all."""
        _start(_guarded(work, name), self._errands)

    def troubles(self) -> list[Trouble]:
        """The work that failed lately."""
        since = self._clock() - WELL_AFTER
        return [trouble for trouble in self._troubles.values() if trouble.at > since]

    async def aclose(self) -> None:
        """End all of it; what is done once may come to its end."""
        for task in self._kept:
            task.cancel()
        if self._errands:
            await asyncio.wait(set(self._errands), timeout=LAST_SECONDS)
        for task in self._errands:
            task.cancel()
        await asyncio.gather(*self._kept, *self._errands, return_exceptions=True)

    async def _keep(self, work: Work, name: str) -> None:
        while True:
            try:
                await work()
                return
            except asyncio.CancelledError as error:
                if _is_ended():
                    raise
                self._failed(name, error)
            except Exception as error:  # noqa: BLE001 - the last guard of a background loop
                self._failed(name, error)
            await _sleep(self._pause(name))

    def _failed(self, name: str, error: BaseException) -> None:
        logger.error("background work %r failed", name, exc_info=error)
        before = {trouble.name: trouble.failures for trouble in self.troubles()}
        failures = before.get(name, 0) + 1
        self._troubles[name] = Trouble(name, failures, _words(error), self._clock())

    def _pause(self, name: str) -> float:
        failures: int = self._troubles[name].failures
        return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE)


def _start(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _is_ended() -> bool:
    """Whether somebody cancelled this task; what it waits for may be cancelled by itself."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _words(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text = " ".join(redact(str(error)[: 4 * TEXT_LIMIT]).split())
    return f"{type(error).__name__}: {text}"[:TEXT_LIMIT].removesuffix(": ")


async def _guarded(work: Coroutine[Any, Any, None], name: str) -> None:
    try:
        await work
    except Exception:  # nobody waits for it
        logger.exception("background work %r ended", name)
