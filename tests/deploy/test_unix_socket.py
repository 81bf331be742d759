"""The gateway at a Unix socket behind nginx, on both servers: rights, and what a kill leaves."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.deploy import fronts
from tests.deploy.fronts import FRONT
from tests.deploy.test_nginx import nginx
from tests.fakes import books, forked
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.gateway import Gateway, Ready, launch
from tests.fakes.ports import reserve_port
from tests.fakes.replies import Gate

CLIENT, FORGED = "127.0.0.5", "203.0.113.9"
WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Door:
    """A socket's file, and a port at which nginx passes requests on to it."""

    path: Path
    port: int

    def start(self, launcher: str, folder: Path, backend: FakeBackend) -> Gateway:
        """A gateway, reached through nginx alone."""
        settings = {"TRUST_FORWARDED_PROTO": "1", "CLIENT_ADDRESSES": "whole"}
        place = {"HOST": f"unix:{self.path}", "SOCKET_MODE": "606", "REQUIRE_GATEWAY_KEY": "0"}
        variables = settings | place
        return launch(launcher, folder, backend.chat_url, variables, Ready.HEALTHY, port=self.port)

    def client(self) -> httpx.Client:
        source = httpx.HTTPTransport(local_address=CLIENT)
        headers = {"x-api-key": KEY, "x-forwarded-for": FORGED}
        url = f"http://{FRONT}:{self.port}"
        return httpx.Client(base_url=url, headers=headers, transport=source, timeout=WAIT_SECONDS)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too deep for a socket
        Path(folder).chmod(0o755)  # nginx's workers are another user where the tests are root
        path, port = Path(folder) / "socket", reserve_port()
        plain = {"listen 443 ssl;": f"listen {FRONT}:{port};\n\tlisten 443 ssl;"}
        front = nginx(tmp_path, f"unix:{path}", plain)
        yield Door(path, port)
        front.stop()


@pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
def test_socket_serves_behind_nginx_and_is_taken_over_after_a_kill(
    launcher: str, door: Door, backend: FakeBackend, tmp_path: Path
) -> None:
    running = door.start(launcher, tmp_path, backend)
    assert stat.S_IMODE(door.path.stat().st_mode) == 0o606
    first = Gate()
    backend.on(ALPHA).stream(text("One "), first, text("two"), finish("stop"), usage(3, 3))
    with door.client() as client:
        fronts.stream_comes_piece_by_piece(client, first)
        answer = client.post(MESSAGES, json=ask())
    rows = books.wait_for_rows(running, 2)
    assert {row["address"] for row in rows} == {CLIENT}, answer.text
    again = forked.run(["manage.py", "serve"], running.environment, "", WAIT_SECONDS)
    assert again.returncode == 1
    assert f"HOST: {door.path} is in use by another program" in again.stderr
    assert running.client.get("/health").status == 200
    running.kill()
    assert door.path.exists()
    running = door.start(launcher, tmp_path, backend)
    assert running.stop() == 0
    assert not os.path.lexists(door.path)
