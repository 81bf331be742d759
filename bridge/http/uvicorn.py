"""Uvicorn's HTTP/1.1 protocol with limits: connections, header blocks, times, unread bodies.

Uvicorn hands a request over when its headers are there, and its body piece by piece. What is added
here is what it does not bound, and the end of a connection whose body nobody wants.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bridge.http import connections, heads
from bridge.http.connections import Connection, Connections
from bridge.translation.errors.api_error import ApiError

HEADER_OVERHEAD = len(b": \r\n")


class UvicornTransport:
    """A transport, as the registry of connections sees it."""

    def __init__(self, transport: Any, protocol: Protocol) -> None:
        self._transport = transport
        self._protocol = protocol

    def unsent(self) -> int:
        return int(self._transport.get_write_buffer_size())

    def is_busy(self) -> bool:
        return self._protocol.is_answering() or self.unsent() > 0

    def finish(self) -> None:
        self._protocol.finish()

    def abort(self) -> None:
        self._transport.abort()


class Cycle(RequestResponseCycle):
    """A request and its answer. An answer in the middle of a body closes the connection."""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and self.more_body:
            self.keep_alive = False
            self.transport = LingeringTransport(self.transport)  # type: ignore[assignment]
        await super().send(message)


class LingeringTransport:
    """A transport that, instead of closing, lets the client finish: else it would see a reset."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.write, self.is_closing = transport.write, transport.is_closing

    def close(self) -> None:
        self._transport.get_protocol().linger()


class Protocol(HttpToolsProtocol):
    """One connection."""

    open: Connections
    connection: Connection
    _discards = False
    _allowance = 0
    _in_head = False
    _began = False
    _head_bytes = 0
    _fields_bytes = 0

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.open = connections.current()
        peer = self.client[0] if self.client else ""
        self.connection, refusal = self.open.open(peer, UvicornTransport(transport, self))
        if refusal is not None:
            self.refuse(refusal)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open.close(self.connection)
        super().connection_lost(exc)

    # --- reading ---

    def data_received(self, data: bytes) -> None:
        if self._discards:
            self._discard(len(data))
            return
        self._began = False
        super().data_received(data)
        if self._in_head and not self._discards:
            self.connection.waits_for_head()
            # of a header block that began within this piece nobody knows where
            self._head_bytes += 0 if self._began else len(data)
            if self._head_bytes > heads.MAX_HEAD_BYTES:
                self.refuse(heads.TOO_LARGE)

    def on_message_begin(self) -> None:
        self._in_head = self._began = True
        self._head_bytes = self._fields_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._measure(len(name) + len(value) + HEADER_OVERHEAD)
        super().on_header(name, value)

    def _measure(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > heads.MAX_HEAD_BYTES:
            raise heads.TOO_LARGE  # ends the parser's work; the answer follows in send_400_response

    def on_headers_complete(self) -> None:
        self._in_head = False
        self.connection.has_head()
        super().on_headers_complete()
        if self.open.is_draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:
        too_large = self._fields_bytes > heads.MAX_HEAD_BYTES
        self.refuse(heads.TOO_LARGE if too_large else heads.MALFORMED)

    # --- ending ---

    def is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def finish(self) -> None:
        """Close, after the answer that is under way if one is."""
        if not self._discards:
            super().shutdown()

    def shutdown(self) -> None:
        """The server ends. What is idle may ask once more, until `runtime.ending` closes it."""
        if self.is_answering():
            super().shutdown()

    def refuse(self, error: ApiError) -> None:
        """Answer without a request, and close."""
        self.transport.write(heads.refusal(error))
        self.linger()

    def linger(self) -> None:
        """Everything is written: read on for a while, so that the client gets to read it."""
        self._discards, self._allowance = True, settings.MAX_BODY_BYTES
        if not (self.open.may_linger() and self.transport.can_write_eof()):
            self.transport.close()
            return
        self.connection.linger()
        self.transport.write_eof()
        self.flow.resume_reading()

    def _discard(self, size: int) -> None:
        """Read the next piece after others had their turn: uvloop goes on as long as bytes come."""
        self._allowance -= size
        if self._allowance < 0:
            self.transport.abort()
            return
        self.flow.pause_reading()
        self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def timeout_keep_alive_handler(self) -> None:
        if not self._discards:
            super().timeout_keep_alive_handler()

    def handle_websocket_upgrade(self) -> None:
        """A socket counts as a connection until it closes, but another protocol hears of that."""
        super().handle_websocket_upgrade()
        socket: Any = self.transport.get_protocol()
        lost = socket.connection_lost

        def connection_lost(exc: Exception | None) -> None:
            self.open.close(self.connection)
            lost(exc)

        socket.connection_lost = connection_lost


def adapt() -> None:
    """Use what is above in this process. Uvicorn has no setting for its class of requests."""
    httptools_impl.RequestResponseCycle = Cycle  # type: ignore[misc]
    for status, phrase in heads.PHRASES.items():
        httptools_impl.STATUS_LINE[status] = b"HTTP/1.1 %d %b\r\n" % (status, phrase)
