"""Start and end of a process: announced by uvicorn, found out by ourselves under daphne."""

from __future__ import annotations

import asyncio
import signal
import sys
from importlib import import_module
from typing import Any

from django.conf import settings

from bridge.api.request_body import Receive, Scope, Send
from bridge.runtime import gateway


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Open the gateway before the first request, close it after the last."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            gateway.current()
            _drain_on_signal()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await gateway.close()
            await send({"type": "lifespan.shutdown.complete"})
            return


def _drain_on_signal() -> None:
    """Uvicorn waits for its connections when told to stop; drain the gateway meanwhile."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        of_server = signal.getsignal(number)
        if callable(of_server):
            loop.add_signal_handler(number, _stop, loop, of_server, number)


def _stop(loop: asyncio.AbstractEventLoop, of_server: Any, number: int) -> None:
    loop.create_task(gateway.current().drain(settings.DRAIN_SECONDS))
    of_server(number, None)


def adapt_server() -> None:
    """Bring the limits of connections into the server that this process runs.

    Under daphne, also open the gateway as soon as its reactor runs; daphne has no such event.
    """
    if "uvicorn.protocols.http.httptools_impl" in sys.modules:
        import_module("bridge.http.uvicorn").adapt()
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and "daphne.server" in sys.modules:
        import_module("bridge.http.daphne").adapt()
        reactor.callWhenRunning(reactor.callLater, 0, gateway.current)
