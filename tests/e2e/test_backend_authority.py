"""A backend whose certificate is signed by an authority of one's own: SSL_CERT_FILE names it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import Start
from tests.fakes import certificates
from tests.fakes.chunks import finish, fold, role, text, usage
from tests.fakes.forward_proxy import forwarding

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


@contextmanager
def serving(folder: Path, name: str) -> Iterator[tuple[str, str]]:
    """The address of the backend, and the file with the authority's certificate."""
    file = certificates.self_signed(folder, name)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = certificates.server_context(file).wrap_socket(
            server.socket, server_side=True
        )
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://{name}:{server.server_port}/v1/chat/completions", str(file)
        server.shutdown()
        thread.join()


def test_backend_is_believed_by_its_authority(start_gateway: Start, tmp_path: Path) -> None:
    """docs, operate. A process of its own, because the file is read at a start."""
    with serving(tmp_path, "localhost") as (url, file):
        gateway = start_gateway("serve", is_fresh=True, BACKEND_URL=url, SSL_CERT_FILE=file)
        assert gateway.client.messages(model=MODEL).json["content"][0]["text"] == "Hello"


def test_backend_is_reached_through_the_proxy_that_a_setting_names(
    start_gateway: Start, tmp_path: Path
) -> None:
    """docs, deploy: TLS to the backend itself, and nothing of the environment's variables."""
    with forwarding() as proxy, serving(tmp_path, "llm.test") as (url, file):
        given = {"BACKEND_URL": url, "SSL_CERT_FILE": file, "BACKEND_PROXY": proxy.url}
        elsewhere = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9")
        gateway = start_gateway("serve", is_fresh=True, **given, **elsewhere)
        assert gateway.client.messages(model=MODEL).json["content"][0]["text"] == "Hello"
        place = url.removeprefix("https://").partition("/")[0]
        assert {head.split("\r\n")[0] for head in proxy.heads} == {f"CONNECT {place} HTTP/1.1"}
        assert not any("key" in head.lower() for head in proxy.heads)
