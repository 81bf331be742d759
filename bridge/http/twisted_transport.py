"""Daphne's side of a connection: how full it is, how it ends, how a piece of an answer is sent."""

from __future__ import annotations

from typing import Any, Protocol


class Answering(Protocol):
    """What has the requests of a connection."""

    def is_answering(self) -> bool: ...

    def finish(self) -> None:
        """Close, after the answer that is under way if one is."""
        ...


class TwistedTransport:
    """A Twisted transport, as the registry of connections sees it."""

    def __init__(self, transport: Any, channel: Answering) -> None:
        self._transport = transport
        self._channel = channel

    def is_busy(self) -> bool:
        return self._channel.is_answering() or self.unsent() > 0

    def finish(self) -> None:
        self._channel.finish()

    def unsent(self) -> int:
        buffer = self._transport
        return int(len(buffer.dataBuffer) - buffer.offset + buffer._tempDataLen)

    def abort(self) -> None:
        self._transport.abortConnection()

    def write_chunk(self, data: bytes) -> None:
        """One piece of a body of unknown length. An empty one would end the body.

        The socket takes what it can now, which is mostly all: the reactor would write it only in
        its next round, and watch the socket in between. It gets the rest, and any failure.
        """
        if not data:
            return
        data, transport = b"%x\r\n%b\r\n" % (len(data), data), self._transport
        if transport.connected and not (self.unsent() or transport.disconnecting):
            taken = transport.writeSomeData(data)
            data = data[taken:] if isinstance(taken, int) and taken > 0 else data
        if data:
            transport.write(data)
