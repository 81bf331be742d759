"""One connection to a server, on which one request after the other is sent.

llhttp reads the replies. Whoever waits for a reply goes on within the turn of the event loop in
which its bytes came, once for everything that was read. A server may send anything: what does not
belong to a reply ends the connection, and what is no part of a body is bounded.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httptools

from bridge.outbound.errors import ClosedError, IncompleteError, NotHttpError, SilentError
from bridge.outbound.inbox import Inbox

MAX_HEAD_BYTES = 64 * 1024
"""Of a reply's head, and of anything else that comes at a stretch without a byte of a body."""
LINE_BYTES = len(": \r\n")
TOO_LARGE = f"More than {MAX_HEAD_BYTES} bytes of headers"
QUOTED = 40
"""Bytes that an error quotes of something that is not HTTP."""
JOINED = 64 * 1024
"""A body up to this size goes into the same piece as the head."""
SWITCHING = 101
_EMPTY = frozenset({204, 304})


class _StopError(Exception):
    """Raised to stop the parser, and seen by nobody else."""


class HttpReply:
    """The reply to one request: its head, once that is there, and its body as it comes.

    headers     names in lower case; repeated ones are joined with a comma
    has_begun   whether any byte of it came
    """

    def __init__(self, connection: HttpConnection) -> None:
        self._connection = connection
        self.has_begun = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.inbox = Inbox(connection)

    async def wait_for_head(self, seconds: float) -> None:
        """Raises OutboundError, SilentError among them after so many seconds, and OSError."""
        inbox = self.inbox
        deadline = inbox.now() + seconds
        while not self.status and not inbox.is_over:
            if not await inbox.wait(deadline - inbox.now()):
                raise SilentError
        if not self.status and inbox.failure is not None:
            raise inbox.failure

    def close(self) -> None:
        """Nobody wants more of it. An unfinished reply takes its connection with it."""
        self.inbox.close()
        self._connection.leave(self)


class HttpConnection(asyncio.Protocol):
    """A connection; `on_free` hears when it can serve the next request, `on_lost` when it is gone.

    used      whether it has served a request before the present one
    idle_at   since when it serves nobody, by the loop's clock
    """

    def __init__(
        self, on_free: Callable[[HttpConnection], None], on_lost: Callable[[HttpConnection], None]
    ) -> None:
        self._on_free, self._on_lost = on_free, on_lost
        self._transport: Any = None
        self._parser: httptools.HttpResponseParser | None = None
        self._reply: HttpReply | None = None
        self._head: dict[str, str] = {}
        self._has_head = self._is_whole = self._keeps = self._ends_with_it = False
        self._bare = self._head_bytes = 0
        self._first, self._fault = b"", ""
        self._status = 0
        self.used = False
        self.idle_at = 0.0

    # --- requests ---

    def send(self, head: bytes, body: bytes) -> HttpReply:
        """Begin a request; there is none under way."""
        assert self._reply is None
        reply = self._reply = HttpReply(self)
        self._head, self._first, self._fault = {}, b"", ""
        self._bare = self._head_bytes = 0
        self._has_head = self._is_whole = False
        if len(body) > JOINED:
            self._transport.write(head)
            self._transport.write(body)
        else:
            self._transport.write(head + body)
        return reply

    def leave(self, reply: HttpReply) -> None:
        """Nobody waits for this reply any more."""
        if self._reply is reply:
            self._reply = None
            self.abort()

    def is_usable(self) -> bool:
        """Whether a request may be sent on it."""
        return self._parser is not None and not self._transport.is_closing()

    def is_quiet(self) -> bool:
        """Whether nothing came that was not read yet. What comes before a request is no reply to
        it: an end of the connection, or one reply too many to somebody else."""
        poll = select.poll()
        poll.register(self._transport.get_extra_info("socket"), select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once, whatever was not sent yet."""
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        if self.is_usable():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if self.is_usable():
            self._transport.resume_reading()

    # --- what the event loop calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        parser = self._parser = httptools.HttpResponseParser(self)
        # Servers fold lines, end them with LF alone and put blanks behind sizes; none of that
        # leaves a doubt where a body ends.
        parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        own = transport.get_extra_info("socket")
        with suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        reply, parser = self._reply, self._parser
        if reply is None or parser is None:
            self.abort()  # nothing was asked
            return
        if not reply.has_begun:
            reply.has_begun, self._first = True, data[:QUOTED]
        self._bare += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._keeps = False
        except httptools.HttpParserError as error:
            self._keeps = False
            self._malformed(reply, self._fault or str(error))
        if self._bare > MAX_HEAD_BYTES:
            self._malformed(reply, TOO_LARGE)
        if self._is_whole:
            self._finish(reply)
        if self._has_head and not reply.status and not self._fault:
            reply.status, reply.headers = self._status, self._head
            reply.inbox.wake()
        else:
            reply.inbox.ring()

    def eof_received(self) -> None:
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended(exc)
        self._parser = None  # it holds this object
        self._on_lost(self)

    # --- what the parser calls ---

    def on_message_begin(self) -> None:
        if self._is_whole:
            raise _StopError

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + LINE_BYTES
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop(TOO_LARGE)
        if b"\0" in value or b"\r" in value or b"\n" in value:
            self._stop("Invalid header value char")
        if self._has_head:
            return  # a trailer
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        head = self._head
        head[key] = f"{head[key]}, {text}" if key in head else text

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status = self._parser.get_status_code()
        if 100 <= status < 200 and status != SWITCHING:
            self._head = {}
            return
        if status < 100:
            self._stop("Invalid status code")
        self._has_head, self._status = True, status
        self._keeps = self._parser.should_keep_alive()
        chunked = self._head.get("transfer-encoding", "").lower().endswith("chunked")
        is_bounded = chunked or "content-length" in self._head or status in _EMPTY
        self._ends_with_it = not is_bounded

    def on_body(self, body: bytes) -> None:
        if not self._has_head:
            self._stop("Body behind an interim reply")
        self._bare = 0
        if self._reply is not None:
            self._reply.inbox.feed(body)

    def on_message_complete(self) -> None:
        self._is_whole = self._has_head

    def _stop(self, fault: str) -> None:
        self._fault = fault
        raise _StopError

    # --- ends ---

    def _finish(self, reply: HttpReply) -> None:
        """All of the reply is there. A server that answered before it had read the request, or
        that said more than was asked, gets no other."""
        self._reply = None
        reply.inbox.end()
        reply.inbox.detach()
        if self._keeps and self._transport.get_write_buffer_size() == 0:
            self.used = True
            self._on_free(self)
        else:
            self.close()

    def _malformed(self, reply: HttpReply, reason: str) -> None:
        """What came cannot be read as a reply. Behind a whole one it is of no interest."""
        if self._is_whole:
            return
        self._reply, self._fault = None, reason
        if reply.status:
            reply.inbox.end(IncompleteError(reason))
        else:
            is_line = not self._head and ("HTTP/" in reason or "status" in reason)
            quoted = f"Bad status line {self._first[:QUOTED]!r}"
            reply.inbox.end(NotHttpError(quoted if is_line else reason))
        self.abort()

    def _ended(self, error: Exception | None) -> None:
        """The server closed, or the connection broke."""
        reply, self._reply = self._reply, None
        if reply is None:
            return
        if self._has_head:
            is_whole = self._ends_with_it and error is None
            reply.inbox.end(None if is_whole else self._incomplete(reply, error))
        else:
            reply.inbox.end(error if isinstance(error, OSError) else ClosedError())
        reply.inbox.ring_soon()

    def _incomplete(self, reply: HttpReply, error: Exception | None) -> IncompleteError:
        if self._ends_with_it:
            return IncompleteError(f"The connection failed: {type(error).__name__}")
        if (length := self._head.get("content-length")) is None:
            return IncompleteError("Not enough data to satisfy transfer length header.")
        there = f"(received {reply.inbox.received} of {length} bytes)"
        return IncompleteError(f"Not enough data to satisfy content length header {there}.")
