"""A raw HTTP client that hides nothing: exact headers, exact bytes, in the order they came."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.grammar import Event, check_stream, parse_sse

WAIT_SECONDS = 25.0
"""Enough beside busy neighbours, and less than the half minute after which a gateway gives up on
what does not move."""
KEY = "cpk_test_0123456789"
MESSAGES = "/v1/messages"
PLAIN: dict[str, Any] = {"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), "trust_env": False}
"""Arguments for httpx, where all is plain HTTP: it need not read all certificate authorities."""
Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """A reply that has come in full."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> dict[str, Any]:
        """The message of a checked event stream."""
        return check_stream(parse_sse(self.body))


@dataclass(slots=True)
class Stream:
    """A reply that is still coming. Every wait ends after WAIT_SECONDS at the latest."""

    status: int
    headers: http.client.HTTPMessage
    _connection: http.client.HTTPConnection
    _response: http.client.HTTPResponse
    chunks: list[bytes] = field(default_factory=list)
    _given: int = 0

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    def next_event(self) -> Event:
        """The next event, as soon as it is complete."""
        while self._complete_events() <= self._given:
            assert self.read_chunk(), f"the stream ended after {self.received!r}"
        event = self._events()[self._given]
        self._given += 1
        return event

    def events_until(self, kind: str) -> list[Event]:
        """The next events up to the first with this name, which is the last of them."""
        events = [self.next_event()]
        while events[-1].name != kind:
            events.append(self.next_event())
        return events

    def rest(self) -> list[Event]:
        """All events not taken yet; returns when the gateway has ended the stream."""
        events = parse_sse(self.read())[self._given :]
        self._given += len(events)
        return events

    def message(self) -> dict[str, Any]:
        """The message of the whole stream, checked from its first byte to its last."""
        return check_stream(parse_sse(self.read()))

    def read(self) -> bytes:
        """The whole body."""
        while self.read_chunk():
            pass
        return self.received

    def leave(self) -> None:
        """Close the connection at once, as a client does that is interrupted."""
        if self._connection.sock is not None:
            self._connection.sock.shutdown(socket.SHUT_RDWR)
        self._response.close()
        self._connection.close()

    def read_chunk(self) -> bytes:
        """What comes next, as soon as it comes; empty at the end."""
        chunk = self._response.read1(65536)
        if chunk:
            self.chunks.append(chunk)
        return chunk

    def _complete_events(self) -> int:
        return self.received.count(b"\n\n")

    def _events(self) -> list[Event]:
        complete, _, _ = self.received.rpartition(b"\n\n")
        return parse_sse(complete + b"\n\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._response.close()
        self._connection.close()


class RawClient:
    """One request per connection. Adds a key, a version and a content type, unless overridden."""

    def __init__(self, url: str, key: str | None = KEY) -> None:
        self._address = urlsplit(url).netloc
        self._headers = {"content-type": "application/json", "anthropic-version": "2023-06-01"}
        if key is not None:
            self._headers["x-api-key"] = key

    def get(self, path: str, headers: Headers | None = None) -> Response:
        return self.request("GET", path, None, headers)

    def post(self, path: str, body: Any, headers: Headers | None = None) -> Response:
        return self.request("POST", path, body, headers)

    def request(
        self, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> Response:
        with self.open(method, path, body, headers) as stream:
            return Response(stream.status, stream.headers, stream.read())

    def messages(self, headers: Headers | None = None, **fields: Any) -> Response:
        return self.post(MESSAGES, ask(**fields), headers)

    def stream(self, **fields: Any) -> Stream:
        """Ask for a message in pieces; returns when the head of the reply has come."""
        return self.open("POST", MESSAGES, ask(stream=True, **fields))

    def open(
        self, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> Stream:
        connection = self.send(method, path, body, headers)
        try:
            response = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return Stream(response.status, response.msg, connection, response)

    def send(
        self, method: str, path: str, body: Any = None, headers: Headers | None = None
    ) -> http.client.HTTPConnection:
        """Send the request, await no answer. Bytes go out as they are, any other body as JSON."""
        connection = http.client.HTTPConnection(self._address, timeout=WAIT_SECONDS)
        exact = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, exact, {**self._headers, **(headers or {})})
        return connection


def ask(text: str = "Say hello.", **fields: Any) -> dict[str, Any]:
    """A small valid Messages request; `fields` replace or extend it."""
    body = {"model": "test/alpha", "max_tokens": 100}
    return body | {"messages": [{"role": "user", "content": text}]} | fields


def leave(connection: http.client.HTTPConnection) -> None:
    """Close the connection at once, without having read an answer."""
    if connection.sock is not None:
        connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()


def text_of(events: Iterator[Event] | list[Event]) -> str:
    """The visible text in these events."""
    deltas = [event.data["delta"] for event in events if event.name == "content_block_delta"]
    return "".join(delta["text"] for delta in deltas if delta["type"] == "text_delta")
