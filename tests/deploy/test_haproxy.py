"""The real haproxy.cfg in a real HAProxy, in front of three addresses of which one is a gateway."""

from collections.abc import Iterator
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


def haproxy(home: Path, upstream: int) -> Front:
    """The first of its three gateways is this one; nobody listens where the others should."""
    front = Front(home)
    changes = {
        "bind :443": f"bind {FRONT}:{front.port}",
        "bind :::443 v6only": f"bind {FRONT_V6}:{front.port}" if HAS_IPV6 else "# bind",
        f"/etc/ssl/{NAME}.pem": str(home / "both.pem"),
        "127.0.0.1:8081": f"127.0.0.1:{upstream}",
        "127.0.0.1:8082": f"127.0.0.1:{reserve_port()}",
        "127.0.0.1:8083": f"127.0.0.1:{reserve_port()}",
    }
    path = home / "haproxy.cfg"
    path.write_text(replaced((DEPLOY / "haproxy.cfg").read_text(), changes))
    front.run([program("haproxy"), "-db", "-f", str(path)])
    return front


@pytest.fixture(scope="module")
def behind(launch_gateway: Start) -> Gateway:
    return launch_gateway(ready=Ready.HEALTHY, **BEHIND)


@pytest.fixture
def front(behind: Gateway, tmp_path: Path) -> Iterator[Front]:
    running = haproxy(tmp_path, behind.port)
    yield running
    running.stop()


def test_haproxy_hands_on_what_claude_clients_send(
    front: Front, behind: Gateway, backend: FakeBackend
) -> None:
    fronts.hands_on_what_clients_send(front, behind, backend)


def test_gateways_that_are_away_are_told_in_the_envelope(tmp_path: Path) -> None:
    running = haproxy(tmp_path, reserve_port())
    try:
        with running.client() as client:
            answer = client.post(MESSAGES, json=ask())
    finally:
        running.stop()
    assert (answer.status_code, answer.json()["error"]["type"]) == (503, "api_error")
