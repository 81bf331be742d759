"""Running the application under daphne or uvicorn, and ending it well.

On SIGTERM or SIGINT either server stops to accept, running requests get DRAIN_SECONDS to finish,
and what is left then ends with an ``overloaded_error`` event that clients retry. A second signal
ends at once. (Uvicorn's part of the draining is in `proxysite.lifespan`, so that it also works when
uvicorn is started by hand.)
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from importlib import import_module
from typing import Any

import uvicorn
from django.conf import settings
from uvicorn.supervisors import Multiprocess

from bridge.http import connections
from bridge.runtime import gateway

APPLICATION = "proxysite.asgi:application"
GRACE_BEYOND_DRAIN = 5


def run(sockets: list[socket.socket]) -> None:
    """Serve on these sockets, which listen already, until told to stop."""
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
        Multiprocess(config, sockets=sockets).run()
        return
    server = uvicorn.Server(config)
    server.run(sockets=sockets)
    if not server.started:
        sys.exit(1)


# --- daphne -----------------------------------------------------------------------------------


def _run_daphne(sockets: list[socket.socket]) -> None:
    # Importing daphne's server installs its event loop for the whole process, so it is done
    # only where daphne is to run.
    import_module("daphne.server")
    daphne = import_module("bridge.http.daphne")
    reactor = import_module("twisted.internet.reactor")
    application = import_module(APPLICATION.partition(":")[0]).application
    ports: list[Any] = []

    class Daphne(daphne.Server):  # type: ignore[misc, name-defined]
        def adopt(self) -> None:
            """Listen on the sockets; daphne itself only knows addresses."""
            for each in sockets:
                ports.append(reactor.adoptStreamPort(each.fileno(), each.family, self.http_factory))
                each.close()  # adopted as a copy

        def kill_all_applications(self) -> Any:
            """Also where a connection has nothing that runs, at which daphne would give up."""
            idle = [c for c, told in self.connections.items() if "application_instance" not in told]
            for connection in idle:
                del self.connections[connection]
            return super().kill_all_applications()

    server = Daphne(
        application,
        endpoints=["unused"],  # it refuses to be made without any
        signal_handlers=False,
        server_name="",
        application_close_timeout=settings.DRAIN_SECONDS + GRACE_BEYOND_DRAIN,
    )
    server.endpoints = []
    reactor.callWhenRunning(server.adopt)
    reactor.callWhenRunning(reactor.callLater, 0, _listen_for_signals, ports, reactor)
    server.run()


def _listen_for_signals(ports: list[Any], reactor: Any) -> None:
    loop = asyncio.get_running_loop()
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        if stopping and reactor.running:
            reactor.stop()
        elif not stopping:
            stopping.append(loop.create_task(_drain_and_stop(ports, reactor)))

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


async def _drain_and_stop(ports: list[Any], reactor: Any) -> None:
    for port in ports:
        port.stopListening()
    await gateway.current().drain(settings.DRAIN_SECONDS)
    await gateway.close()
    if reactor.running:
        reactor.stop()
