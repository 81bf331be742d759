"""Running the application under daphne or uvicorn, and ending it well.

On SIGTERM or SIGINT either server stops to accept, running requests get DRAIN_SECONDS to finish,
and what is left then ends with an ``overloaded_error`` event that clients retry. A second signal
ends at once. (Uvicorn's part of the draining is in `proxysite.lifespan`, so that it also works when
uvicorn is started by hand.)
"""

from __future__ import annotations

import asyncio
import signal
import sys
from importlib import import_module
from typing import Any

import uvicorn
from django.conf import settings

from bridge.http import connections
from bridge.runtime import gateway

APPLICATION = "proxysite.asgi:application"
GRACE_BEYOND_DRAIN = 5


def run() -> None:
    """Serve until told to stop."""
    connections.raise_file_limit()
    if settings.SERVER == "uvicorn":
        _run_uvicorn()
    else:
        _run_daphne()


def _run_uvicorn() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Uvicorn raises the signal again when it is done; by then there is nothing left to end.
        signal.signal(number, lambda *_: sys.exit(0))
    uvicorn.run(
        APPLICATION,
        host=settings.HOST,
        port=settings.PORT,
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


# --- daphne -----------------------------------------------------------------------------------


def _run_daphne() -> None:
    # Importing daphne's server installs its event loop for the whole process, so it is done
    # only where daphne is to run.
    import_module("daphne.server")
    daphne = import_module("bridge.http.daphne")
    endpoints = import_module("daphne.endpoints")
    reactor = import_module("twisted.internet.reactor")
    application = import_module(APPLICATION.partition(":")[0]).application
    ports: list[Any] = []

    class Daphne(daphne.Server):  # type: ignore[misc, name-defined]
        def listen_success(self, port: Any) -> None:
            ports.append(port)
            super().listen_success(port)

        def kill_all_applications(self) -> Any:
            """Also where a connection has nothing that runs, at which daphne would give up."""
            idle = [c for c, told in self.connections.items() if "application_instance" not in told]
            for connection in idle:
                del self.connections[connection]
            return super().kill_all_applications()

    server = Daphne(
        application,
        endpoints=endpoints.build_endpoint_description_strings(
            host=settings.HOST, port=settings.PORT
        ),
        signal_handlers=False,
        server_name="",
        application_close_timeout=settings.DRAIN_SECONDS + GRACE_BEYOND_DRAIN,
    )
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
