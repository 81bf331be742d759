"""A client that writes bytes: half requests, endless ones, and of readers who stop reading."""

import http.client
import json
import socket
from types import TracebackType
from typing import Any, Self

from tests.fakes.client import WAIT_SECONDS

SMALL_BUFFER = 4096


class Wire:
    """One connection. Every wait ends after WAIT_SECONDS at the latest."""

    def __init__(self, port: int, source: str = "", lazy: bool = False) -> None:
        """`source`: the address to come from. `lazy`: takes little of what it is sent."""
        self.socket = socket.socket()
        if lazy:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        if source:
            self.socket.bind((source, 0))
        self.socket.settimeout(WAIT_SECONDS)
        self.socket.connect(("127.0.0.1", port))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def send_until_refused(self, piece: bytes, most: int) -> int:
        """Send this again and again; how many bytes were taken before the other side closed."""
        sent = 0
        while sent < most:
            try:
                self.send(piece)
            except OSError:
                break
            sent += len(piece)
        return sent

    def answer(self, method: str = "POST") -> http.client.HTTPResponse:
        """The next answer, read to its end."""
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        self.body = response.read()
        return response

    @property
    def error(self) -> dict[str, Any]:
        """The error in the body of the answer."""
        error: dict[str, Any] = json.loads(self.body)["error"]
        return error

    def first_line(self) -> bytes:
        """The next line that the server writes, without what follows it."""
        line = b""
        while not line.endswith(b"\n"):
            piece = self.socket.recv(1)
            assert piece, f"closed after {line!r}"
            line += piece
        return line

    def wait_closed(self) -> None:
        """Return when the server has closed the connection, whatever it wrote before."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def head(method: str, path: str, **headers: str) -> bytes:
    """Request line and headers, names with `_` for `-`."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
