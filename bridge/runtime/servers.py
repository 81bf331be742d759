"""Running the application under daphne or uvicorn. How it ends is in `runtime.ending`."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable
from importlib import import_module

import uvicorn
from django.conf import settings

from bridge.http import connections
from bridge.runtime.uvicorn_server import CalmServer
from bridge.runtime.workers import Workers

logger = logging.getLogger(__name__)

APPLICATION = "proxysite.asgi:application"
GRACE_BEYOND_DRAIN = 5
Beside = Callable[[], None]


def run(sockets: list[socket.socket], beside: Beside | None = None) -> None:
    """Serve on these sockets, which listen already, until a signal ends it.

    `beside`: what a thread does meanwhile. It starts behind the workers, which are forks.
    """
    connections.raise_file_limit()
    if settings.SERVER == "uvicorn" and settings.WORKERS > 1:
        warn_of_separate_limits()
        Workers(_uvicorn(), sockets, beside).run()
        return
    if beside:
        threading.Thread(target=beside, daemon=True).start()
    if settings.SERVER == "uvicorn":
        _run_uvicorn(sockets)
    else:
        _run_daphne(sockets)


def _uvicorn() -> uvicorn.Config:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn raises the signal again when it is done; by then there is nothing left to end.
        signal.signal(number, lambda *_: sys.exit(0))
    return uvicorn.Config(
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


def _run_uvicorn(sockets: list[socket.socket]) -> None:
    server = CalmServer(_uvicorn())
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
