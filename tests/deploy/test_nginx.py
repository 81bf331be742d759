"""The real nginx.conf in a real nginx, in front of the real gateway on both servers.

Only what differs between installations is replaced: name, certificate, ports.
"""

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.ports import reserve_port
from tests.fakes.replies import Gate
from tests.grammar import parse_sse

CONF = Path(__file__).resolve().parents[2] / "deploy" / "nginx.conf"
NAME = "claude.example.org"
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
PLACES = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
MAIN = """
daemon off; pid {home}/pid; error_log {home}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
    gzip on;
    include {home}/site.conf;
}}
"""


def program(name: str) -> str:
    path = shutil.which(name, path=PLACES)
    if path is None:
        pytest.skip(f"{name} is not installed (package `{name}` in Debian)")
    return path


class Front:
    """A running nginx with a certificate of its own."""

    def __init__(self, home: Path, upstream: int) -> None:
        self.port = reserve_port()
        self.home = home
        _certificate(home)
        site = CONF.read_text(encoding="utf-8")
        for told, here in (
            ("server 127.0.0.1:8080;", f"server 127.0.0.1:{upstream};"),
            ("listen 443 ssl;", f"listen 127.0.0.1:{self.port} ssl;"),
            (f"/etc/ssl/{NAME}/fullchain.pem", f"{home}/cert.pem"),
            (f"/etc/ssl/{NAME}/privkey.pem", f"{home}/key.pem"),
        ):
            assert told in site
            site = site.replace(told, here)
        (home / "site.conf").write_text(site, encoding="utf-8")
        (home / "nginx.conf").write_text(MAIN.format(home=home), encoding="utf-8")
        command = [program("nginx"), "-p", str(home), "-c", str(home / "nginx.conf")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline, (self.home / "error.log").read_text()
                time.sleep(POLL_SECONDS)

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "cert.pem"))

    def client(self) -> httpx.Client:
        """Asks by name, as everybody outside does."""
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}",
            headers={"host": NAME, "x-api-key": KEY},
            verify=self.trust,
            timeout=WAIT_SECONDS,
            trust_env=False,
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)


def _certificate(home: Path) -> None:
    names = f"subjectAltName=DNS:{NAME},IP:127.0.0.1"
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", f"/CN={NAME}", "-addext", names]
        + ["-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem")],
        check=True,
        capture_output=True,
        timeout=WAIT_SECONDS,
    )


@pytest.fixture(params=["daphne", "uvicorn"])
def behind(request: pytest.FixtureRequest, start_gateway: Start) -> Gateway:
    """A gateway with the settings that nginx.conf names."""
    return start_gateway(
        request.param,
        ready=Ready.HEALTHY,
        ALLOWED_HOSTS=NAME,
        CSRF_TRUSTED_ORIGINS=f"https://{NAME}",
        TRUST_FORWARDED_PROTO="1",
    )


@pytest.fixture
def front(behind: Gateway, tmp_path: Path) -> Iterator[Front]:
    running = Front(tmp_path, behind.port)
    yield running
    running.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nginx_hands_on_what_claude_clients_send(front: Front, backend: FakeBackend) -> None:
    """With its defaults 1.5 MB of prompt are a 413 in HTML, and the live page never connects."""
    first = Gate()
    backend.on(ALPHA).stream(text("One "), first, text("two"), finish("stop"), usage(3, 3))
    with front.client() as client:
        _stream_comes_piece_by_piece(client, first)
        large = client.post(MESSAGES, json=ask("x" * 3_000_000))
        assert large.status_code == 200
        huge = client.post(MESSAGES, content=b"x" * 33 * 1024 * 1024)
        assert huge.json()["error"]["type"] == "request_too_large"
        login = client.get("/admin/login/")
        assert login.status_code == 200
        assert all("Secure" in each for each in login.headers.get_list("set-cookie"))
        form = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "username": "a"}
        sent = client.post(
            "/admin/login/", data=form, headers={"referer": f"https://{NAME}/admin/login/"}
        )
        assert sent.status_code == 200
    assert _upgrade_status(front) == b"HTTP/1.1 403"


def _stream_comes_piece_by_piece(client: httpx.Client, first: Gate) -> None:
    received = b""
    with client.stream("POST", MESSAGES, json=ask(stream=True)) as answer:
        for piece in answer.iter_raw():
            received += piece
            if b"One " in received:
                first.open()
    assert parse_sse(received)[-1].name == "message_stop"


def _upgrade_status(front: Front) -> bytes:
    """The gateway's answer to a websocket of nobody: a refusal of its own, and no 404."""
    raw = socket.create_connection(("127.0.0.1", front.port), timeout=WAIT_SECONDS)
    with front.trust.wrap_socket(raw, server_hostname=NAME) as wire:
        lines = [
            "GET /dashboard/live/socket/ HTTP/1.1",
            f"Host: {NAME}",
            "Origin: https://evil.example",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        wire.sendall("\r\n".join([*lines, "", ""]).encode())
        return wire.recv(4096)[:12]


def test_gateway_that_is_away_is_told_in_the_envelope(tmp_path: Path) -> None:
    front = Front(tmp_path, reserve_port())
    try:
        with front.client() as client:
            answer = client.post(MESSAGES, json=ask())
    finally:
        front.stop()
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
