"""How a process ends: no new connection, then the requests under way, then the process itself.

Behind a front that asks for /health, the process first says there that it ends, and goes on to
serve for DRAIN_DELAY_SECONDS: a request that the front sends meanwhile finds it still here.
At the first signal running requests get DRAIN_SECONDS, and every connection one more answer; the
log says how many are waited for, every few seconds. What is left then, or at a second signal, ends
with an ``overloaded_error`` that clients retry. Nothing that hangs keeps the process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress

from bridge.http import connections
from bridge.runtime import gateway

logger = logging.getLogger(__name__)

SIGNALS = (signal.SIGTERM, signal.SIGINT)
CLOSING_SECONDS = 10.0
"""What the process gets beyond the drain to close its parts."""
REPEAT_SECONDS = 5.0
"""How often the log says what is still waited for."""
EXIT_SECONDS = 3.0
"""What the interpreter gets when they are closed: threads that hang would keep it for ever."""
PARENT_SECONDS = 1.0
"""How often a worker looks whether its parent is there."""
AGAIN = "press Ctrl-C or send SIGTERM again to end them now"
HANGS = "the process ends although something in it hangs, most likely a database that is silent"


class Ending:
    """Follows the signals of one process. Create it inside the running event loop.

    `stop_listening` is called after the first signal, with its number, `leave` when all is
    answered.
    """

    def __init__(
        self,
        stop_listening: Callable[[int], None],
        leave: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._stop_listening = stop_listening
        self._leave = leave
        self._at_once = asyncio.Event()
        self._received = Counter[int]()
        self._task: asyncio.Task[None] | None = None
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self.receive, number)

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    def receive(self, number: int) -> None:
        """The first signal lets requests finish, the second ends them."""
        self._received[number] += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._end(number))
        elif self._is_meant_again(number):
            self._at_once.set()
            end_within(gateway.LAST_WORDS + EXIT_SECONDS)

    def _is_meant_again(self, number: int) -> bool:
        """A worker gets one Ctrl-C twice: from the terminal, and as a SIGTERM from its parent."""
        is_worker = multiprocessing.parent_process() is not None
        return not is_worker or self._received[number] > 1

    async def _end(self, number: int) -> None:
        engine, open_connections = gateway.current(), connections.current()
        drain_seconds = open_connections.settings.drain_seconds
        if delay := open_connections.settings.drain_delay_seconds:
            engine.is_draining = True
            logger.info("taking requests for %d s more; %s", round(delay), AGAIN)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._at_once.wait(), delay)
        self._stop_listening(number)
        end_within(drain_seconds + CLOSING_SECONDS)
        open_connections.drain()
        notices = asyncio.get_running_loop().create_task(_show_rest(drain_seconds))
        await engine.drain(drain_seconds, open_connections.is_busy, self._at_once)
        notices.cancel()
        if rest := _rest():
            logger.warning("ending %s now", _counted(rest))
        await engine.interrupt_rest()
        await open_connections.finish(gateway.LAST_WORDS)
        if self._leave is not None:
            await self._leave()


def _rest() -> int:
    """Requests under way: at their answers, or on their way in or out."""
    return max(len(gateway.current().exchanges), connections.current().busy())


async def _show_rest(seconds: float) -> None:
    """Say what is waited for, at once and then every few seconds, until this task is cancelled."""
    clock = asyncio.get_running_loop().time
    deadline, still = clock() + seconds, ""
    while rest := _rest():
        left = max(0, round(deadline - clock()))
        logger.info("%swaiting for %s, at most %d s; %s", still, _counted(rest), left, AGAIN)
        still = "still "
        await asyncio.sleep(REPEAT_SECONDS)


def _counted(requests: int) -> str:
    return f"{requests} request{'' if requests == 1 else 's'}"


def end_within(seconds: float) -> None:
    """End the process after so long, whatever hangs. A later call can only bring that forward."""
    timer = threading.Timer(seconds, _end_now)
    timer.daemon = True
    timer.start()


def _end_now() -> None:
    logger.warning(HANGS)
    logging.shutdown()
    os._exit(0)


def follow_parent() -> None:
    """A worker ends when its parent is gone, however that ended: it would keep the port."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_outlive, args=(parent.pid,), daemon=True).start()


def _outlive(parent: int | None) -> None:
    """No pipe tells of the end: workers that are forks hold the ends of each other's."""
    while os.getppid() == parent:
        time.sleep(PARENT_SECONDS)
    logger.warning("the parent process is gone, and so is this worker when its requests are done")
    os.kill(os.getpid(), signal.SIGTERM)
