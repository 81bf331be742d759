"""Uvicorn's HTTP/1.1 protocol with limits: connections, header blocks, times, unread bodies.

Uvicorn hands a request over when its headers are there, and its body piece by piece. What is added
here is what it does not bound, and the end of a connection whose body nobody wants.
"""

from __future__ import annotations

import sys
from typing import Any

import httptools
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from bridge.http import connections, heads
from bridge.http.connections import Connection, Connections
from bridge.translation.errors.api_error import ApiError

HEADER_OVERHEAD = len(b": \r\n")
_BODY_HEADERS = frozenset({b"content-length", b"transfer-encoding"})


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

    _goes_on = False
    _held: HeadTransport | None = None

    async def send(self, message: Any) -> None:
        if self._goes_on and message.get("more_body") and (body := message["body"]):
            if self.flow.write_paused and not self.disconnected:
                await self.flow.drain()
            if not self.disconnected:
                self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
            return
        if message["type"] == "http.response.start" and self.more_body:
            self.keep_alive = False
            self.transport = LingeringTransport(self.transport)  # type: ignore[assignment]
        if message["type"] == "http.response.start" and self.scope["method"] != "HEAD":
            self._held = self.transport = HeadTransport(self.transport)  # type: ignore[assignment]
            await super().send(message)
            return
        await super().send(message)
        if self._held is not None:
            self.transport, self._held = self._held.below, None
        # Pieces of a body without a length, of which a stream has many, are written above.
        self._goes_on = bool(
            message.get("more_body")
            and self.chunked_encoding
            and not self.response_complete
            and self.scope["method"] != "HEAD"
        )


class HeadTransport:
    """A transport that writes a head together with the first piece of its body, as ASGI wants it:
    so one call of the system is spared, and a client wakes once."""

    def __init__(self, transport: Any) -> None:
        self.below = transport
        self.is_closing, self.close = transport.is_closing, transport.close
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        if self._head is None:
            self._head = data
        else:
            self.below.write(self._head + data)


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
    _piece = _rest = memoryview(b"")
    _skips_head = False

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
        self._began, self._rest = False, memoryview(data)
        while self._rest and not self._discards:
            self._piece, self._rest = self._rest, memoryview(b"")
            super().data_received(self._piece)  # type: ignore[arg-type]
        if self._in_head and not self._discards:
            self.connection.waits_for_head()
            # of a header block that began within this piece nobody knows where
            self._head_bytes += 0 if self._began else len(data)
            if self._head_bytes > heads.MAX_HEAD_BYTES:
                self.refuse(heads.TOO_LARGE)

    def on_message_begin(self) -> None:
        if self._skips_head:
            return
        self._in_head = self._began = True
        self._head_bytes = self._fields_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._skips_head:
            return
        self._measure(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._skips_head:
            return
        self._measure(len(name) + len(value) + HEADER_OVERHEAD)
        super().on_header(name, value)

    def _measure(self, size: int) -> None:
        self._fields_bytes += size
        if self._fields_bytes > heads.MAX_HEAD_BYTES:
            raise heads.TOO_LARGE  # ends the parser's work; the answer follows in send_400_response

    def on_headers_complete(self) -> None:
        if self._skips_head:
            return
        self._in_head = False
        self.connection.has_head()
        super().on_headers_complete()
        if self.open.is_draining and self.cycle is not None:
            self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        """A handshake is a GET without a body. Behind anything else uvicorn would answer nothing,
        for ever; such a wish is ignored, as HTTP allows."""
        is_handshake = self.scope["method"] == "GET" and not self._framing()
        return is_handshake and super()._should_upgrade()

    def _framing(self) -> list[bytes]:
        """The header lines that announce a body."""
        return [b"%b: %b\r\n" % each for each in self.headers if each[0] in _BODY_HEADERS]

    def on_message_complete(self) -> None:
        """The parser calls that a whole request which wishes for another protocol, and leaves out
        its body: of such a request it counts only where no body is announced."""
        wishes = self._skips_head or self.parser.should_upgrade()
        if not wishes or bool(self._framing()) is self._skips_head:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """A wish that is not granted (`h2c` of Java's client, mostly): read the body all the same,
        by a parser to which nobody wished anything."""
        error = sys.exception()
        self._rest = self._piece[error.args[0] :] if error else self._rest
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._skips_head = True
        self.parser.feed_data(b"".join((b"POST / HTTP/1.1\r\n", *self._framing(), b"\r\n")))
        self._skips_head = False

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
        self._discards, self._allowance = True, self.open.settings.max_body_bytes
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
