"""Daphne's HTTP/1.1 protocol with limits, and with bodies that are not spooled.

Twisted reads a whole body, into a temporary file when it is large, before anybody hears of the
request. Here the application starts when the headers are there, receives the body in pieces, and
waits while the client does not take what it wrote. Header blocks, times and the number of
connections are limited.

Importing this module needs daphne's event loop to be installed, see `runtime.servers`.
"""

from __future__ import annotations

import asyncio
import io
import socket
from contextlib import suppress
from typing import Any

import daphne.cli
import daphne.server
from autobahn.exception import Disconnected
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from twisted.internet import reactor as installed_reactor
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    STDLibLogObserver,
    globalLogPublisher,
)
from twisted.web import http

from bridge.http import connections, heads
from bridge.http.incoming import Incoming
from bridge.http.twisted_file_port import file_port
from bridge.http.twisted_transport import TwistedTransport
from bridge.translation.errors.api_error import ApiError

reactor: Any = installed_reactor


class Request(WebRequest):
    """A request that is processed when its headers are there.

    Daphne's own `process` checks the head and describes it to the application. It takes the body
    for complete, and is given an empty one.
    """

    def __init__(self, channel: Any, *more: Any, **options: Any) -> None:
        super().__init__(channel, *more, **options)
        self.incoming = Incoming(channel.let_read, self._invite)
        self._line = channel
        self._expects = self._has_begun = False

    def gotLength(self, length: int | None) -> None:
        self.content = io.BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        self.incoming.feed(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """All of the request is there, which only a websocket waits for."""
        if self._has_begun:
            self.incoming.end()
        else:
            super().requestReceived(command, path, version)

    def begin(self, method: bytes, uri: bytes, version: bytes) -> None:
        """The headers are there."""
        self._has_begun = True
        expected = self.requestHeaders.getRawHeaders(b"expect", [b""])[0]
        self._expects = version == b"HTTP/1.1" and expected.lower() == b"100-continue"
        self.requestHeaders.removeHeader(b"upgrade")
        self.method, self.uri, self.clientproto = method, uri, version
        self.path, _, _ = uri.partition(b"?")
        self.args: dict[bytes, list[bytes]] = {}
        asyncio.get_running_loop().call_soon(self._process)

    def _process(self) -> None:
        """Behind the piece of data that the headers came in, which often holds the body."""
        if not self._disconnected:
            self.process()

    def _invite(self) -> None:
        if self._expects and not self._response_started and not self._disconnected:
            self._line._send100Continue()

    async def send(self, message: Any) -> None:
        """An ASGI message, as soon as the client took what was written before."""
        if not self._line.writable.is_set():
            await self._line.writable.wait()
        goes_on = self.chunked and message.get("more_body")
        if goes_on and not (self.finished or self._disconnected):
            self._line.connection.transport.write_chunk(message.get("body", b""))
        else:
            await self.server.handle_reply(self, message)

    def handle_reply(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self._response_started:
            self._prepare_end(message.get("headers", ()))
        super().handle_reply(message)

    def _prepare_end(self, headers: Any) -> None:
        """Whether the connection closes behind the answer."""
        closes = any(n.lower() == b"connection" and v.lower() == b"close" for n, v in headers)
        if closes:
            self._line.persistent = False
        elif self._line.open.is_draining or not self.incoming.is_complete:
            self._line.persistent = False
            self.responseHeaders.setRawHeaders(b"connection", [b"close"])

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        super().setResponseCode(code, message or heads.PHRASES.get(code))


class Channel(http.HTTPChannel):
    """One connection."""

    MAX_LENGTH = heads.MAX_HEAD_BYTES
    totalHeadersSize = 2 * heads.MAX_HEAD_BYTES  # lineReceived looks first
    maxHeaders = heads.MAX_HEAD_BYTES
    requestFactory = Request

    def __init__(self) -> None:
        super().__init__()
        self.writable = asyncio.Event()
        self.writable.set()
        self._discards = False
        self._allowance = 0
        self._has_body = False
        self._head_bytes = 0

    # --- the connection ---

    def connectionMade(self) -> None:
        super().connectionMade()
        self.open = connections.current()
        peer = str(getattr(self.transport.getPeer(), "host", ""))
        self.connection, refusal = self.open.open(peer, TwistedTransport(self.transport, self))
        if refusal is not None:
            self.refuse(refusal)

    def connectionLost(self, reason: Any) -> None:
        self.open.close(self.connection)
        self.writable.set()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        self.writable.clear()
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self.writable.set()
        super().resumeProducing()

    def stopProducing(self) -> None:
        self.writable.set()
        super().stopProducing()

    def let_read(self, may: bool) -> None:
        """Whether the body of the request under way is read."""
        if may:
            self._networkProducer.resumeProducing()
        elif not self._discards:
            self._networkProducer.pauseProducing()

    # --- reading ---

    def dataReceived(self, data: bytes) -> None:
        if self._discards:
            self._discard(len(data))
            return
        if not (self._handlingRequest or self._has_body):
            self.connection.waits_for_head()
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if self._discards:
            return
        self._head_bytes += len(line) + len(b"\r\n")
        if self._head_bytes > heads.MAX_HEAD_BYTES:
            self.refuse(heads.TOO_LARGE)
            return
        super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        if self._discards:
            self._discard(len(data))
            return
        super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        if not self._discards:
            self.refuse(heads.TOO_LARGE)

    def allHeadersReceived(self) -> None:
        """Instead of Twisted's, which invites every body and makes a file for it."""
        request = self.requests[-1]
        self.connection.has_head()
        self._head_bytes = 0
        persists = self.checkPersistence(request, self._version)
        self.persistent = persists and not self.open.is_draining
        request.gotLength(self.length)
        self._has_body = self.length != 0
        self._idle_time = self.setTimeout(None)
        if self._has_body or not _is_socket(request):
            request.begin(self._command, self._path, self._version)

    def allContentReceived(self) -> None:
        self._has_body = False
        super().allContentReceived()
        self._savedTimeOut = self._idle_time
        if self.transport.protocol is not self:
            self._follow(self.transport.protocol)

    def _follow(self, socket: Any) -> None:
        """A websocket has taken over. It counts as a connection until it closes."""
        lost = socket.connectionLost

        def connectionLost(reason: Any) -> None:
            self.open.close(self.connection)
            lost(reason)

        socket.connectionLost = connectionLost

    # --- ending ---

    def is_answering(self) -> bool:
        """Not while a head is incomplete, nor where a websocket has taken over."""
        is_own = self.transport.protocol is self
        return bool(self.requests) and is_own and self.connection.head_since is None

    def finish(self) -> None:
        """Close, after the answer that is under way if one is."""
        self.persistent = False
        if not (self.is_answering() or self._discards):
            self.transport.loseConnection()

    def requestDone(self, request: Any) -> None:
        if self._has_body:  # nobody wanted the rest of it
            self.requests.remove(request)
            self._has_body = False
            self.linger()
            return
        if self._dataBuffer:
            self.connection.waits_for_head()
        super().requestDone(request)

    def refuse(self, error: ApiError) -> None:
        """Answer without a request, and close."""
        self.transport.write(heads.refusal(error))
        self.linger()

    def _respondToBadRequestAndDisconnect(self) -> None:
        if not self._discards:
            self.refuse(heads.MALFORMED)

    def linger(self) -> None:
        """Everything is written: read on for a while, so that the client gets to read it."""
        self._discards, self._allowance = True, self.open.settings.max_body_bytes
        self.setTimeout(None)
        if not (self.open.may_linger() and hasattr(self.transport, "loseWriteConnection")):
            self.loseConnection()
            return
        self.connection.linger()
        self._networkProducer.resumeProducing()
        self.transport.loseWriteConnection()

    def _discard(self, size: int) -> None:
        self._allowance -= size
        if self._allowance < 0:
            self.transport.abortConnection()


def _is_socket(request: Any) -> bool:
    upgrade = request.requestHeaders.getRawHeaders(b"upgrade", [b""])[0]
    return bool(upgrade.lower() == b"websocket")


class Socket(WebSocketProtocol):
    """A page's websocket."""

    def onClose(self, *how: Any) -> None:
        """Daphne knows nothing of one whose opening it refused, and would raise."""
        if hasattr(self, "server"):
            super().onClose(*how)


class Factory(HTTPFactory):
    """Makes the connections. HTTP/2 is not offered: it is a front's task, like TLS."""

    def protocol(self) -> Channel:
        return Channel()

    def acceptableProtocols(self) -> list[bytes]:
        return [b"http/1.1"]

    def buildProtocol(self, addr: Any) -> Channel:
        channel: Channel = super().buildProtocol(addr)
        channel.requestFactory = Request
        channel.timeOut = max(channel.timeOut, connections.current().settings.header_timeout)
        return channel


class Server(daphne.server.Server):
    """Daphne, whose applications receive and send by the classes above."""

    running: Server | None = None
    """That of this process."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._ports: list[Any] = []
        Server.running = self

    def listen_success(self, port: Any) -> None:
        self._ports.append(port)
        super().listen_success(port)

    def when_running(self, do: Any, *arguments: Any) -> None:
        reactor.callWhenRunning(do, *arguments)

    def adopt(self, sockets: list[socket.socket]) -> None:
        """Serve on sockets that listen already; daphne itself only knows addresses."""
        for each in sockets:
            if each.family == socket.AF_UNIX:
                port = file_port(each, self.http_factory)
            else:
                port = reactor.adoptStreamPort(each.fileno(), each.family, self.http_factory)
            each.close()  # what was adopted is a copy
            self.listen_success(port)

    def stop_listening(self) -> None:
        for port in self._ports:
            port.stopListening()

    def leave(self) -> None:
        """End the server, and with it the process."""
        if reactor.running:
            reactor.stop()

    def kill_all_applications(self) -> Any:
        """Also where a connection has nothing that runs, at which daphne would give up."""
        idle = [c for c, known in self.connections.items() if "application_instance" not in known]
        for connection in idle:
            del self.connections[connection]
        return super().kill_all_applications()

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Between a page's leaving and the news of it, what is sent to its socket is dropped."""
        with suppress(Disconnected):
            await super().handle_reply(protocol, message)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        if not isinstance(protocol, Request):
            return super().create_application(protocol, scope)
        scope.setdefault("asgi", {"version": "3.0"})
        answering = self.application(
            scope=scope, receive=protocol.incoming.receive, send=protocol.send
        )
        if protocol not in self.connections:
            answering.close()
            return None
        running = asyncio.ensure_future(answering)
        self.connections[protocol]["application_instance"] = running
        return protocol.incoming


def _log_errors() -> None:
    """Let Twisted's errors go to the log; daphne has them thrown away."""
    # Twisted has no types that tell what its observers are.
    grave: Any = LogLevelFilterPredicate(LogLevel.error)
    log: Any = STDLibLogObserver("twisted")
    observer: Any = FilteringLogObserver(log, [grave])
    globalLogPublisher.addObserver(observer)


def adapt() -> None:
    """Use what is above in this process, also when daphne was started by its own command."""
    _log_errors()
    daphne.server.HTTPFactory = Factory
    WebSocketFactory.protocol = Socket
    daphne.cli.CommandLineInterface.server_class = Server
