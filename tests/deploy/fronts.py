"""A front with TLS that is started as its file in deploy/ says, and what clients see through it.

Only what differs between installations is replaced: name, certificate, addresses.
"""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway
from tests.fakes.ports import reserve_port
from tests.fakes.replies import Gate
from tests.grammar import parse_sse

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
NAME = "claude.example.org"
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
PLACES = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/sbin"])
FRONT = "127.0.0.1"
"""Where the front's own connections to the gateway come from."""
FRONT_V6 = "::1"
HAS_IPV6 = socket.has_ipv6 and Path("/proc/net/if_inet6").exists()
CLIENT, FORGED = "127.0.0.5", "203.0.113.9"
BEHIND = {
    "ALLOWED_HOSTS": NAME,
    "CSRF_TRUSTED_ORIGINS": f"https://{NAME}",
    "TRUST_FORWARDED_PROTO": "1",
    "TRUSTED_PROXIES": FRONT,
    "CLIENT_ADDRESSES": "whole",
}
"""What the files tell one to set, and that addresses are kept, so that a test sees them."""


def program(name: str) -> str:
    path = shutil.which(name, path=PLACES)
    if path is None:
        pytest.skip(f"{name} is not installed (package `{name}` in Debian)")
    return path


def replaced(text: str, changes: Mapping[str, str]) -> str:
    for there, here in changes.items():
        assert there in text
        text = text.replace(there, here)
    return text


class Front:
    """A program that serves TLS on `port`; its files are in `home`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = reserve_port()
        _certificate(home)

    def run(self, command: Sequence[str]) -> None:
        """Start it, and return when it listens."""
        with (self.home / "front.log").open("wb") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                socket.create_connection((FRONT, self.port), timeout=1).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < deadline, self.log
                time.sleep(POLL_SECONDS)

    @property
    def log(self) -> str:
        return "".join(path.read_text() for path in self.home.glob("*.log"))

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.home / "cert.pem"))

    def client(self) -> httpx.Client:
        """Asks by name and from an address of its own, as everybody outside does."""
        return httpx.Client(
            base_url=f"https://{FRONT}:{self.port}",
            headers={"host": NAME, "x-api-key": KEY},
            transport=httpx.HTTPTransport(verify=self.trust, local_address=CLIENT),
            timeout=WAIT_SECONDS,
        )

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)


def _certificate(home: Path) -> None:
    names = f"subjectAltName=DNS:{NAME},IP:{FRONT},IP:{FRONT_V6}"
    subprocess.run(
        [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        + ["-subj", f"/CN={NAME}", "-addext", names]
        + ["-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem")],
        check=True,
        capture_output=True,
        timeout=WAIT_SECONDS,
    )
    parts = [(home / name).read_bytes() for name in ("cert.pem", "key.pem")]
    (home / "both.pem").write_bytes(b"".join(parts))


def stream_comes_piece_by_piece(client: httpx.Client, first: Gate) -> None:
    """The backend sends its second piece only once the first has come to the client."""
    received = b""
    with client.stream("POST", MESSAGES, json=ask(stream=True)) as answer:
        for piece in answer.iter_raw():
            received += piece
            if b"One " in received:
                first.open()
    assert parse_sse(received)[-1].name == "message_stop"


def takes_large_prompts_and_no_endless_ones(client: httpx.Client) -> None:
    assert client.post(MESSAGES, json=ask("x" * 3_000_000)).status_code == 200
    huge = client.post(MESSAGES, content=b"x" * 33 * 1024 * 1024)
    assert huge.json()["error"]["type"] == "request_too_large"


def serves_logins_and_links_for_https(client: httpx.Client) -> None:
    login = client.get("/admin/login/")
    assert login.status_code == 200
    assert all("Secure" in each for each in login.headers.get_list("set-cookie"))
    form = {"csrfmiddlewaretoken": client.cookies["csrftoken"], "username": "a"}
    headers = {"referer": f"https://{NAME}/admin/login/"}
    assert client.post("/admin/login/", data=form, headers=headers).status_code == 200
    assert f"https://{NAME}" in client.get("/").text


def client_is_seen_and_forged_headers_are_not(client: httpx.Client, gateway: Gateway) -> None:
    """Through the front, and past it: the gateway's own port does not believe everybody."""
    forged = {"x-forwarded-for": FORGED, "x-forwarded-proto": "https"}
    answers = [client.post(MESSAGES, json=ask(), headers=forged)]
    past = httpx.HTTPTransport(local_address=CLIENT)
    headers = {"host": NAME, "x-api-key": KEY, **forged}
    with httpx.Client(base_url=gateway.url, headers=headers, transport=past) as direct:
        answers.append(direct.post(MESSAGES, json=ask()))
        assert f"http://{NAME}" in direct.get("/").text
    for answer in answers:
        assert _recorded(gateway, answer.headers["request-id"])["address"] == CLIENT


def client_by_ipv6_is_seen(front: Front, gateway: Gateway) -> None:
    """As it is, whatever the front does with brackets."""
    headers = {"host": NAME, "x-api-key": KEY, "x-forwarded-for": FORGED}
    url = f"https://[{FRONT_V6}]:{front.port}"
    with httpx.Client(base_url=url, headers=headers, verify=front.trust) as client:
        answer = client.post(MESSAGES, json=ask(), timeout=WAIT_SECONDS)
    assert _recorded(gateway, answer.headers["request-id"])["address"] == FRONT_V6


def _recorded(gateway: Gateway, name: str) -> books.Row:
    def found() -> list[books.Row]:
        return [row for row in books.rows(gateway) if row["request_id"] == name]

    return books.until(found, bool, gateway)[0]


def upgrade_status(front: Front) -> bytes:
    """The gateway's answer to a websocket of nobody: a refusal of its own, and no 404."""
    raw = socket.create_connection((FRONT, front.port), timeout=WAIT_SECONDS)
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


def hands_on_what_clients_send(front: Front, behind: Gateway, backend: FakeBackend) -> None:
    """Everything above, through one front."""
    first = Gate()
    backend.on(ALPHA).stream(text("One "), first, text("two"), finish("stop"), usage(3, 3))
    with front.client() as client:
        stream_comes_piece_by_piece(client, first)
        takes_large_prompts_and_no_endless_ones(client)
        serves_logins_and_links_for_https(client)
        client_is_seen_and_forged_headers_are_not(client, behind)
    if HAS_IPV6:
        client_by_ipv6_is_seen(front, behind)
    assert upgrade_status(front) == b"HTTP/1.1 403"
