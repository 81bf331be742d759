"""A backend whose certificate is signed by an authority of one's own: SSL_CERT_FILE names it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Start
from tests.fakes import certificates
from tests.fakes.chunks import finish, fold, role, text, usage

MODEL = "own/model"
ANSWER = fold([role(), text("Hello"), finish("stop"), usage(5, 2)], MODEL)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self._answer({"object": "list", "data": [{"id": MODEL, "object": "model"}]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(ANSWER)

    def _answer(self, body: Any) -> None:
        raw = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def own(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of the backend, and the file with the authority's certificate."""
    file = certificates.self_signed(tmp_path, "localhost")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = certificates.server_context(file).wrap_socket(
            server.socket, server_side=True
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://localhost:{server.server_port}/v1/chat/completions", str(file)
        server.shutdown()
        thread.join()


def test_backend_is_believed_by_its_authority(start_gateway: Start, own: tuple[str, str]) -> None:
    """docs, operate. A process of its own, because the file is read at a start."""
    url, file = own
    gateway = start_gateway("serve", is_fresh=True, BACKEND_URL=url, SSL_CERT_FILE=file)
    assert gateway.client.messages(model=MODEL).json["content"][0]["text"] == "Hello"
