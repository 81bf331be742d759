"""The real nginx.conf in a real nginx, in front of the real gateway on both servers."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.deploy import fronts
from tests.deploy.fronts import (
    BEHIND,
    DEPLOY,
    FRONT,
    FRONT_V6,
    HAS_IPV6,
    NAME,
    Front,
    program,
    replaced,
)
from tests.fakes.backend import FakeBackend
from tests.fakes.client import MESSAGES, ask
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.ports import reserve_port

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


def nginx(home: Path, upstream: int | str, also: Mapping[str, str] | None = None) -> Front:
    """In front of a port of this machine, or of a place as nginx writes it, with more changes."""
    place = upstream if isinstance(upstream, str) else f"127.0.0.1:{upstream}"
    front = Front(home)
    changes = {
        "server 127.0.0.1:8080;": f"server {place};",
        "listen 443 ssl;": f"listen {FRONT}:{front.port} ssl;",
        "listen [::]:443 ssl;": f"listen [{FRONT_V6}]:{front.port} ssl;" if HAS_IPV6 else "",
        f"/etc/ssl/{NAME}/fullchain.pem": f"{home}/cert.pem",
        f"/etc/ssl/{NAME}/privkey.pem": f"{home}/key.pem",
    }
    site = replaced((DEPLOY / "nginx.conf").read_text(), also or {})
    (home / "site.conf").write_text(replaced(site, changes))
    (home / "nginx.conf").write_text(MAIN.format(home=home))
    front.run([program("nginx"), "-p", str(home), "-c", str(home / "nginx.conf")])
    return front


@pytest.fixture(params=["daphne", "uvicorn"])
def behind(request: pytest.FixtureRequest, start_gateway: Start) -> Gateway:
    """A gateway with the settings that nginx.conf names."""
    return start_gateway(request.param, ready=Ready.HEALTHY, **BEHIND)


@pytest.fixture
def front(behind: Gateway, tmp_path: Path) -> Iterator[Front]:
    running = nginx(tmp_path, behind.port)
    yield running
    running.stop()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nginx_hands_on_what_claude_clients_send(
    front: Front, behind: Gateway, backend: FakeBackend
) -> None:
    """With its defaults 1.5 MB of prompt are a 413 in HTML, and the live page never connects."""
    fronts.hands_on_what_clients_send(front, behind, backend)


def test_gateway_that_is_away_is_told_in_the_envelope(tmp_path: Path) -> None:
    front = nginx(tmp_path, reserve_port())
    try:
        with front.client() as client:
            answer = client.post(MESSAGES, json=ask())
    finally:
        front.stop()
    assert (answer.status_code, answer.json()["error"]["type"]) == (502, "api_error")
