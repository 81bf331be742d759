"""Start and end of a process: announced by uvicorn, found out by ourselves under daphne."""

from __future__ import annotations

import signal
import sys
from importlib import import_module
from typing import Any

from bridge.api.entrance import Application
from bridge.api.request_body import Receive, Scope, Send
from bridge.logs import uncaught
from bridge.process_settings import ProcessSettings
from bridge.runtime import ending, gateway
from bridge.runtime.ending import Ending


def of_process(settings: ProcessSettings) -> Application:
    """Opens the gateway before the first request, and closes it after the last."""

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                uncaught.to_log()
                gateway.start(settings)
                end = Ending(_stop_uvicorn())
                ending.follow_parent()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                await gateway.close()
                if end.has_begun:
                    ending.end_within(ending.EXIT_SECONDS)
                await send({"type": "lifespan.shutdown.complete"})
                return

    return lifespan


def _stop_uvicorn() -> Any:
    """What uvicorn itself does at a signal: it stops to listen, and waits for its connections."""
    handlers = {number: signal.getsignal(number) for number in ending.SIGNALS}

    def stop(number: int) -> None:
        handler = handlers[signal.Signals(number)]
        if callable(handler):
            handler(number, None)

    return stop


def adapt_server(settings: ProcessSettings) -> None:
    """Bring the limits of connections into the server that this process runs.

    Under daphne, also open and close the gateway, of which daphne has no events.
    """
    if "uvicorn.protocols.http.httptools_impl" in sys.modules:
        import_module("bridge.http.uvicorn").adapt()
    reactor = sys.modules.get("twisted.internet.reactor")
    if reactor is not None and "daphne.server" in sys.modules:
        daphne = import_module("bridge.http.daphne")
        daphne.adapt()
        reactor.callWhenRunning(reactor.callLater, 0, _run_with_daphne, daphne.Server, settings)


def _run_with_daphne(servers: Any, settings: ProcessSettings) -> None:
    """The gateway opens, and what runs is ended well when a signal comes."""
    uncaught.to_log()
    gateway.start(settings)
    server = servers.running
    if server is None:  # the application was imported by something else
        return

    async def leave() -> None:
        await gateway.close()
        ending.end_within(ending.EXIT_SECONDS)
        server.leave()

    Ending(lambda number: server.stop_listening(), leave)
