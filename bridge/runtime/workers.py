"""Several processes of uvicorn, and their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

import uvicorn
from django.db import connections
from uvicorn._subprocess import subprocess_started
from uvicorn.supervisors.multiprocess import SIGNALS, Multiprocess, Process

JOIN_TICK = 0.1


class Fork(Process):
    """A worker that has what its parent has imported, and shares that memory."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        given = {"config": config, "target": self.target, "sockets": sockets, "stdin_fileno": None}
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=subprocess_started, kwargs=given)  # type: ignore[assignment]

    def start(self) -> None:
        """A signal that comes meanwhile waits until the worker has handlers of its own."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        super().target(sockets)


class Workers(Multiprocess):
    """The parent of several workers. It does not accept connections, and passes signals on.

    The first workers are forks of it. One that replaces a dead one starts from nothing: by then
    the parent may have threads, and what a thread has locked stays locked in a fork.
    `beside`: what one of these threads does.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        sockets: list[socket.socket],
        beside: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(config, sockets)
        self._beside = beside

    def init_processes(self) -> None:
        connections.close_all()
        kind = Fork if can_fork() else Process
        for _ in range(self.processes_num):
            worker = kind(self.config, self.sockets)
            worker.start()
            self.processes.append(worker)
        if self._beside:
            threading.Thread(target=self._beside, daemon=True).start()

    def terminate_all(self) -> None:
        for each in self.sockets:
            each.close()  # the kernel would go on to accept for whoever holds one
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers; a second signal is one for them, too."""
        while any(worker.process.is_alive() for worker in self.processes):
            if self.signal_queue:
                self.signal_queue.clear()
                self._signal_again()
            for worker in self.processes:
                worker.process.join(JOIN_TICK)

    def _signal_again(self) -> None:
        for worker in self.processes:
            if worker.pid is not None and worker.process.is_alive():
                os.kill(worker.pid, signal.SIGTERM)


def can_fork() -> bool:
    """Whether this process may be forked: elsewhere than on Linux, libraries may not bear it."""
    return sys.platform == "linux" and threading.active_count() == 1
