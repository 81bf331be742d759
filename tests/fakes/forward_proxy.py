"""A forward proxy that opens tunnels, and knows every name as one of this machine's."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from socketserver import BaseRequestHandler, ThreadingTCPServer

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"
REFUSED = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n"
END = b"\r\n\r\n"
PIECE = 65536


@dataclass(slots=True)
class Proxy:
    """`heads`: what it was asked. `answer`: what it says to everybody, before a tunnel or none."""

    port: int = 0
    answer: bytes = ESTABLISHED
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self, client: socket.socket) -> None:
        head = b""
        while END not in head and (data := client.recv(PIECE)):
            head += data
        self.heads.append(head.decode("latin-1"))
        client.sendall(self.answer)
        if self.answer == ESTABLISHED:
            port = int(head.split(b" ")[1].rpartition(b":")[2])
            with socket.create_connection(("127.0.0.1", port)) as server:
                _join(client, server)


@contextmanager
def forwarding() -> Iterator[Proxy]:
    proxy = Proxy()

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            with suppress(ConnectionError):
                proxy.serve(self.request)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        proxy.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield proxy
        server.shutdown()
        thread.join()


def _join(one: socket.socket, other: socket.socket) -> None:
    """Hand on what comes, until one of them closes."""
    with selectors.DefaultSelector() as selector:
        for source, sink in ((one, other), (other, one)):
            selector.register(source, selectors.EVENT_READ, sink)
        while True:
            for key, _ in selector.select():
                assert isinstance(key.fileobj, socket.socket)
                data = key.fileobj.recv(PIECE)
                if not data:
                    return
                key.data.sendall(data)
