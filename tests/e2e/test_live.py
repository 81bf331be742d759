"""Watching a running gateway over its socket: both servers, several workers, restarts ("Live")."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.conftest import Start
from tests.e2e.test_security import Browser, first_admin
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.client import KEY
from tests.fakes.gateway import Gateway, Ready
from tests.fakes.redis import RedisServer
from tests.fakes.replies import Gate

SOCKET = "/dashboard/live/socket/"
WAIT = 25.0
SERVERS = pytest.mark.parametrize("launcher", ["serve", "uvicorn"])
ONE_SERVER = pytest.mark.parametrize(
    "launcher", ["serve", pytest.param("uvicorn", marks=pytest.mark.slow)]
)


class Watcher:
    """An admin's open page, and what it was told."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.running: dict[str, Any] = {}
        self.finished: dict[str, Any] = {}
        self.processes: set[str] = set()
        self.heard = ""

    def until(self, happened: Callable[[], Any]) -> None:
        """Listen until it has happened."""
        deadline = time.monotonic() + WAIT
        while not happened():
            self._take(json.loads(self._next(deadline)))

    def until_told(self) -> None:
        """Listen until the first beat."""
        self.until(lambda: self.processes)

    def _next(self, deadline: float) -> str:
        told = self.socket.recv(max(0.0, deadline - time.monotonic()))
        assert isinstance(told, str)
        self.heard += told
        return told

    def _take(self, told: dict[str, Any]) -> None:
        if told["type"] == "beat":
            self.processes.add(told["process"])
            self.running = {one["id"]: one for one in told["running"]}
        self.finished |= {one["id"]: one for one in told["finished"]}


def cookies(gateway: Gateway) -> str:
    browser = Browser(gateway)
    assert browser.log_in(*first_admin(gateway)).status == 302
    return "; ".join(f"{name}={morsel.value}" for name, morsel in browser.cookies.items())


@contextmanager
def watching(gateway: Gateway, login: str, origin: str = "") -> Iterator[Watcher]:
    address = gateway.url.replace("http:", "ws:") + SOCKET
    own, headers = Origin(origin or gateway.url), {"cookie": login}
    with connect(address, origin=own, additional_headers=headers) as socket:
        yield Watcher(socket)


@SERVERS
def test_a_stream_is_watched_from_its_first_byte_to_its_row(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    """Running with its tokens so far, then ended, then in the ledger; its key is never told."""
    gateway = start_gateway(launcher)
    login = cookies(gateway)
    first, second = Gate(), Gate()
    backend.on("test/alpha").stream(
        role(), first, text("Hello " * 40), second, finish("stop"), usage(11, 52)
    )
    with watching(gateway, login) as watcher:
        watcher.until_told()
        connection = gateway.client.send(
            "POST",
            "/v1/messages",
            {
                "model": "test/alpha",
                "max_tokens": 100,
                "stream": True,
                "messages": [{"role": "user", "content": "Say hello."}],
            },
        )
        watcher.until(lambda: watcher.running)
        (waiting,) = watcher.running.values()
        assert waiting["waiting"] and waiting["output_tokens"] == 0
        first.open()
        watcher.until(lambda: any(one["output_tokens"] > 20 for one in watcher.running.values()))
        second.open()
        watcher.until(lambda: waiting["id"] in watcher.finished)
        connection.getresponse().read()
        connection.close()
    over = watcher.finished[waiting["id"]]
    assert (over["outcome"], over["output_tokens"]) == ("answered", 52)
    assert KEY not in watcher.heard
    assert _page(gateway, login, f"/dashboard/requests/{over['id']}/")


def _page(gateway: Gateway, login: str, path: str) -> str:
    """A page, as soon as it is there: the ledger takes a moment."""
    deadline = time.monotonic() + WAIT
    while (answer := gateway.with_key(None).get(path, {"cookie": login})).status == 404:
        assert time.monotonic() < deadline, "never in the ledger"
        assert "in the spool" in answer.body.decode()
        time.sleep(0.05)
    assert answer.status == 200
    return answer.body.decode()


@SERVERS
def test_who_may_not_watch_is_refused_at_the_door(start_gateway: Start, launcher: str) -> None:
    gateway = start_gateway(launcher, ready=Ready.HEALTHY)
    login = cookies(gateway)
    for refused in ({"login": ""}, {"login": login, "origin": "http://evil.example"}):
        with pytest.raises(InvalidStatus) as found, watching(gateway, **refused):
            pass
        assert found.value.response.status_code == 403
    with pytest.raises(InvalidStatus):
        connect(gateway.url.replace("http:", "ws:") + "/v1/messages", origin=Origin(gateway.url))
    with watching(gateway, login) as watcher:
        watcher.until_told()


@SERVERS
def test_a_gateway_ends_although_it_is_watched(start_gateway: Start, launcher: str) -> None:
    """A page that stays open must not keep a process from ending; its log stays clean."""
    gateway = start_gateway(launcher, ready=Ready.HEALTHY, DRAIN_SECONDS="1")
    with watching(gateway, cookies(gateway)) as watcher:
        watcher.until_told()
        gateway.process.terminate()
        with pytest.raises(ConnectionClosed):
            watcher.until(lambda: False)
        assert gateway.wait_end() == 0


@ONE_SERVER
def test_pages_come_and_go_in_the_middle_of_everything(
    start_gateway: Start, backend: FakeBackend, launcher: str
) -> None:
    """Closed in good order or torn down: the log stays clean, and the next page is served."""
    gateway = start_gateway(launcher)
    login = cookies(gateway)
    for number in range(12):
        with watching(gateway, login) as watcher:
            gateway.client.messages()
            if number % 2:
                watcher.until_told()
            if number % 3:
                watcher.socket.socket.close()
    with watching(gateway, login) as watcher:
        watcher.until_told()
    assert gateway.stop() == 0


def test_every_worker_is_watched_through_one_socket(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """With Redis: whichever process has a request, each page sees it."""
    with RedisServer(tmp_path) as redis:
        gateway = start_gateway("uvicorn", WORKERS="2", REDIS_URL=redis.url)
        with watching(gateway, cookies(gateway)) as watcher:
            watcher.until(lambda: len(watcher.processes) == 2)
            asked = {gateway.client.messages().headers["request-id"] for _ in range(8)}
            watcher.until(lambda: asked <= set(watcher.finished))
        assert gateway.stop() == 0


def test_without_watchers_nothing_goes_through_redis(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """It costs nothing when nobody watches."""
    with RedisServer(tmp_path) as redis:
        gateway = start_gateway("uvicorn", REDIS_URL=redis.url)
        with redis.client() as client, client.pubsub() as subscription:
            subscription.psubscribe("*dashboard.live")
            assert subscription.get_message(timeout=WAIT)["type"] == "psubscribe"
            for _ in range(3):
                gateway.client.messages()
            client.publish("claude-bridge:mark-dashboard.live", b"the mark")
            told = subscription.get_message(timeout=WAIT)
            assert told is not None and told["data"] == "the mark"
        assert gateway.stop() == 0
