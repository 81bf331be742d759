"""The gateway on an event loop that counts: turns, timers, tasks, and the CPU of the longest step.

    PORT=8001 BACKEND_URL=... DATABASE_URL=... python -m tests.bench.counted

`POST /counts` answers with what was counted since the last time. The database is migrated already.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from importlib import import_module
from typing import Any

import uvicorn

PATH = "/counts"


class CountingLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop: uvloop takes the same turns, and cannot be looked into."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.turns = self.timers = self.tasks = 0
        self.longest_ms = 0.0

    def counts(self) -> dict[str, float]:
        names = ("turns", "timers", "tasks", "longest_ms")
        return {name: getattr(self, name) for name in names}

    def _run_once(self) -> None:
        self.turns += 1
        super()._run_once()  # type: ignore[misc]

    def ran(self, seconds: float) -> None:
        """A step took so much CPU. A turn has the steps of all that are ready."""
        self.longest_ms = max(self.longest_ms, seconds * 1000)

    def call_at(  # type: ignore[override]
        self, *arguments: Any, **options: Any
    ) -> asyncio.TimerHandle:
        self.timers += 1
        return super().call_at(*arguments, **options)

    def create_task(self, *arguments: Any, **options: Any) -> asyncio.Task[Any]:
        self.tasks += 1
        return super().create_task(*arguments, **options)


def measure(loop: CountingLoop) -> None:
    """Tell the loop how long each step took: what stands between two others."""
    run = asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        began = time.thread_time()  # a thread that waits for the processor uses none
        run(handle)
        loop.ran(time.thread_time() - began)

    asyncio.Handle._run = measured  # type: ignore[method-assign, assignment]


class Counted:
    """The application, and the counts beside it."""

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") != PATH:
            await self._application(scope, receive, send)
            return
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        body = json.dumps(loop.counts()).encode()
        lines = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": body})
        loop.begin()


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "proxysite.settings"
    import_module("uvicorn.protocols.http.httptools_impl")
    application = import_module("proxysite.asgi").application
    config = uvicorn.Config(
        Counted(application),
        port=int(os.environ["PORT"]),
        http=import_module("bridge.http.uvicorn").Protocol,
        lifespan="on",
        log_config=None,
        access_log=False,
    )
    server = import_module("bridge.runtime.uvicorn_server").CalmServer(config)
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, CountingLoop)
        measure(loop)
        runner.run(server.serve())


if __name__ == "__main__":
    main()
