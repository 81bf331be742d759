"""A receiver of webhooks on a real socket, and a mail server that keeps what it takes."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast

from aiosmtpd.controller import Controller

from tests.fakes.ports import reserve_port

WAIT_SECONDS = 60.0
HANG = 0
"""In place of a status: no answer until the receiver ends."""


@dataclass(frozen=True, slots=True)
class Received:
    """One POST. Header names are lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.body))


class WebhookReceiver:
    """Answers what `answers` has, in order, then 204. All that came is in `received`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: deque[int] = deque()
        self.more_headers: dict[str, str] = {}
        self._changed = threading.Condition()
        self._ended = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    @property
    def types(self) -> list[str]:
        return [each.json["type"] for each in self.received]

    def wait(self, count: int) -> list[Received]:
        """All that came, once it is so many."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.received) >= count, WAIT_SECONDS)
        assert enough, f"{len(self.received)} of {count} came"
        return list(self.received)

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["content-length"]))
        lines = {name.lower(): value for name, value in handler.headers.items()}
        status = self.answers.popleft() if self.answers else 204
        with self._changed:
            self.received.append(Received(handler.path, lines, body))
            self._changed.notify_all()
        if status == HANG:
            self._ended.wait(WAIT_SECONDS)
            return
        handler.send_response(status)
        for name, value in self.more_headers.items():
            handler.send_header(name, value)
        handler.end_headers()

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(WAIT_SECONDS)


class MailServer:
    """Takes all mail. `refusal`: what it says to a recipient instead, such as "550 no"."""

    def __init__(self, refusal: str = "") -> None:
        self.mails: list[EmailMessage] = []
        self._refusal = refusal
        self._port = reserve_port()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=self._port, ready_timeout=WAIT_SECONDS
        )

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    async def handle_RCPT(self, *given: Any) -> str:  # noqa: N802 - the server's name for it
        _server, _session, envelope, address, _options = given
        if self._refusal:
            return self._refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, *given: Any) -> str:  # noqa: N802 - the server's name for it
        self.mails.append(message_from_bytes(given[2].content, policy=policy.default))
        return "250 OK"

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def until(happened: Callable[[], object]) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
