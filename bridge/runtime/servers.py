"""Running the application under daphne or uvicorn. How it ends is in `runtime.ending`."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from importlib import import_module

import uvicorn
from django.conf import settings
from uvicorn.supervisors import Multiprocess

from bridge.http import connections
from bridge.runtime.uvicorn_server import CalmServer

logger = logging.getLogger(__name__)

APPLICATION = "proxysite.asgi:application"
GRACE_BEYOND_DRAIN = 5
JOIN_TICK = 0.1


def run(sockets: list[socket.socket]) -> None:
    """Serve on these sockets, which listen already, until a signal ends it."""
    connections.raise_file_limit()
    if settings.SERVER == "uvicorn":
        _run_uvicorn(sockets)
    else:
        _run_daphne(sockets)


def _run_uvicorn(sockets: list[socket.socket]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn raises the signal again when it is done; by then there is nothing left to end.
        signal.signal(number, lambda *_: sys.exit(0))
    config = uvicorn.Config(
        APPLICATION,
        workers=settings.WORKERS,
        loop="uvloop",
        http=import_module("bridge.http.uvicorn").Protocol,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # X-Forwarded-* is read by the settings' rules alone, not believed of every local client.
        proxy_headers=False,
        timeout_graceful_shutdown=round(settings.DRAIN_SECONDS) + GRACE_BEYOND_DRAIN,
    )
    if settings.WORKERS > 1:
        warn_of_separate_limits()
        Workers(config, sockets=sockets).run()
        return
    server = CalmServer(config)
    server.run(sockets=sockets)
    if not server.started:
        sys.exit(1)


def warn_of_separate_limits() -> None:
    """One line, of the parent alone: what several workers are without Redis."""
    if not settings.REDIS_URL:
        logger.warning(
            "%d workers without REDIS_URL: each counts the limits of keys for itself",
            settings.WORKERS,
        )


class Workers(Multiprocess):
    """The parent of several workers. It does not accept connections, and passes signals on."""

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


def _run_daphne(sockets: list[socket.socket]) -> None:
    # Importing daphne's server installs its event loop for the whole process, so it is done
    # only where daphne is to run.
    import_module("daphne.server")
    daphne = import_module("bridge.http.daphne")
    server = daphne.Server(
        import_module(APPLICATION.partition(":")[0]).application,
        endpoints=["unused"],  # it refuses to be made without any
        signal_handlers=False,
        server_name="",
        application_close_timeout=settings.DRAIN_SECONDS + GRACE_BEYOND_DRAIN,
    )
    server.endpoints = []
    server.when_running(server.adopt, sockets)
    server.run()
