"""An OpenTelemetry collector on a real socket, which keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Exported:
    """One request, header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Collector:
    """`statuses` are answered one after the other, then 200. It answers nothing while it is shut.

    `port` is free again when it ends.
    """

    port: int = 0
    received: list[Exported] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    is_open: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def _handler(collector: Collector) -> type[BaseHTTPRequestHandler]:
    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            collector.received.append(Exported(self.path, headers, body))
            collector.is_open.wait(WAIT_SECONDS)
            self.send_response(collector.statuses.pop(0) if collector.statuses else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Taking


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that is open."""
    collector = Collector()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(collector))
    server.daemon_threads = True
    collector.port = server.server_address[1]
    collector.is_open.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.is_open.set()
        server.shutdown()
        server.server_close()
        thread.join()
