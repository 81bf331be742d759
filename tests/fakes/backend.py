"""A scriptable OpenAI-compatible backend: a real server on 127.0.0.1, in a thread of its own.

    with FakeBackend() as backend:
        backend.on("test/alpha").stream(text("He"), text("llo"), finish("stop"), usage(11, 2))

A model without a script says "Hello". A model that is not listed is refused, unless nothing is
listed at all (`list_models()` without names), which is a backend that has no `/v1/models`.
"""

import asyncio
import json
import threading
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Self

from tests.fakes.chunks import Json, finish, role, text, usage
from tests.fakes.http11 import Reader, read_request, respond
from tests.fakes.replies import WAIT_SECONDS, Call, Reply, fixed
from tests.fakes.script import Script

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
ALPHA = "test/alpha"
FAMILY: dict[str, Json] = {
    ALPHA: {},
    "test/beta": {},
    "test/small": {"max_model_len": 4096},
    "zai-org/GLM-4.5-Air": {"max_model_len": 131072},
    "vendor/name:free": {},
}
HELLO = (role(), text("Hello"), finish("stop"), usage(5, 2))


class FakeBackend:
    """What it received is in `calls` and `requests`; what it answers is set by `on` and `route`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._scripts: dict[str, Script] = {}
        self._routes: dict[tuple[str, str], Script] = {}
        self._listed: dict[str, Json] = dict(FAMILY)
        self.requests: list[Call] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(WAIT_SECONDS), "the fake backend did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(WAIT_SECONDS)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chat_url(self) -> str:
        return self.base_url + CHAT

    def reset(self) -> None:
        """Forget scripts and records; let go whoever still waits at a gate."""
        for script in [*self._scripts.values(), *self._routes.values()]:
            for gate in script.gates:
                gate.open()
        self._scripts.clear()
        self._routes.clear()
        self.requests.clear()
        self._listed = dict(FAMILY)

    def on(self, model: str) -> Script:
        """The script of chat completions for this model."""
        return self._scripts.setdefault(model, Script())

    def route(self, method: str, path: str) -> Script:
        """The script of any other address, `/tokenize` for instance; goes before built-in ones."""
        return self._routes.setdefault((method, path), Script())

    def list_models(self, *names: str, **entries: Json) -> None:
        """What `/v1/models` lists; no names at all means that there is no such address."""
        self._listed = dict.fromkeys(names, {}) | entries

    @property
    def was_scripted(self) -> bool:
        return bool(self._scripts or self._routes)

    @property
    def calls(self) -> list[Call]:
        """Chat completions in order of arrival."""
        return self.requests_for(CHAT)

    @property
    def only_call(self) -> Call:
        calls = self.calls
        assert len(calls) == 1, f"{len(calls)} calls instead of one"
        return calls[0]

    def wait_for_calls(self, count: int = 1) -> list[Call]:
        """Return once that many chat completions have arrived."""
        self._wait(lambda: len(self.calls) >= count, f"fewer than {count} calls came")
        return self.calls

    def requests_for(self, path: str) -> list[Call]:
        return [request for request in list(self.requests) if request.path == path]

    def wait_for_request(self, path: str, header: str = "host") -> Call:
        """Return the first request for this address that has this header, once it has arrived."""

        def found() -> list[Call]:
            return [call for call in self.requests_for(path) if call.header(header) is not None]

        self._wait(lambda: bool(found()), f"no request for {path} with {header} came")
        return found()[0]

    def _wait(self, happened: Callable[[], bool], complaint: str) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, WAIT_SECONDS), complaint

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: asyncio.StreamReaderProtocol(reader := Reader(), partial(self._met, reader)),
            "127.0.0.1",
        )
        self.port: int = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        server.close()
        await server.wait_closed()

    def _met(self, reader: Reader, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _converse(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        try:
            while (call := await read_request(reader)) is not None:
                reply = self._reply_to(call)
                with self._changed:
                    self.requests.append(call)
                    self._changed.notify_all()
                if not await respond(reader, writer, call, reply):
                    break
        finally:
            writer.close()

    def _reply_to(self, call: Call) -> Reply:
        script = self._routes.get((call.method, call.path))
        if script is None and call.path == CHAT:
            script = self._scripts.get(call.model)
        scripted = script.take(call) if script else None
        return scripted or self._usual_reply(call)

    def _usual_reply(self, call: Call) -> Reply:
        if call.path == CHAT:
            if self._listed and call.model not in self._listed:
                return _refusal(404, f"The model `{call.model}` does not exist.")
            usual = Script().answer(*HELLO).take(call)
            assert usual is not None
            return usual
        if call.path == MODELS and self._listed:
            return _json({"object": "list", "data": [self._entry(name) for name in self._listed]})
        name = call.path.removeprefix(MODELS + "/")
        if name in self._listed:
            return _json(self._entry(name))
        return _json({"detail": "Not Found"}, 404)

    def _entry(self, name: str) -> Json:
        usual = {"id": name, "object": "model", "created": 1700000000, "owned_by": "test"}
        return usual | self._listed[name]


def _json(body: Any, status: int = 200) -> Reply:
    return fixed(json.dumps(body).encode(), "application/json", status)


def _refusal(status: int, message: str) -> Reply:
    return _json({"error": {"message": message, "type": "NotFoundError", "code": status}}, status)
