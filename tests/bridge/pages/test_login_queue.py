"""Logins in front of Django: one at a time, few that wait, and none of them holds the place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.accounts.login_throttle import LOCKED_UNTIL
from bridge.pages import login_queue
from bridge.pages.login_queue import FORM_BYTES, LOGIN, WAITING, LoginQueue
from tests.bridge.api.test_endpoints import Connection
from tests.bridge.making import Clock


class Pages:
    """Stands for Django: notes what it is given, and answers when it may."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.running = self.most = 0
        self.go = asyncio.Event()
        self.lock_for = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        message = await receive()
        self.bodies.append(message["body"])
        await self.go.wait()
        scope[LOCKED_UNTIL] = self.lock_for
        self.running -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"page"})


@pytest.fixture
async def pages() -> Pages:
    return Pages()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(pages: Pages, clock: Clock) -> LoginQueue:
    return LoginQueue(pages, clock)


def a_login(address: str = "192.0.2.1", body: bytes = b"username=x") -> Connection:
    connection = Connection("POST", LOGIN)
    connection.scope["client"] = (address, 1)
    connection.incoming = asyncio.Queue()
    connection.incoming.put_nowait({"type": "http.request", "body": body})
    return connection


def started(queue: LoginQueue, *logins: Connection) -> asyncio.Future[Any]:
    return asyncio.gather(*(login.meet(queue) for login in logins))


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def addresses(count: int) -> list[Connection]:
    return [a_login(f"192.0.2.{number}") for number in range(count)]


async def test_one_login_runs_at_a_time_and_the_others_follow(
    queue: LoginQueue, pages: Pages
) -> None:
    """Ours: attack, login flood. Sixty threads hashed at once."""
    logins = addresses(WAITING + 1)
    running = started(queue, *logins)
    await settled()
    assert pages.running == 1
    pages.go.set()
    await running
    assert [login.status for login in logins] == [200] * len(logins)
    assert (pages.most, pages.bodies) == (1, [b"username=x"] * len(logins))


async def test_more_than_may_wait_are_refused_at_once(queue: LoginQueue, pages: Pages) -> None:
    logins = addresses(WAITING + 4)
    running = started(queue, *logins)
    await settled()
    refused = [login for login in logins if login.sent]
    assert [login.status for login in refused] == [503] * 3
    assert refused[0].headers["retry-after"] == "2"
    pages.go.set()
    await running


async def test_one_address_does_not_fill_the_queue(queue: LoginQueue, pages: Pages) -> None:
    """Ours: while somebody floods from one address, others still get in."""
    flood, other = [a_login() for _ in range(60)], a_login("198.51.100.1")
    running = started(queue, *flood)
    await settled()
    assert sum(1 for login in flood if login.sent) == 58
    second = started(queue, other)
    pages.go.set()
    await asyncio.gather(running, second)
    assert other.status == 200


async def test_addresses_of_one_ipv6_customer_are_one(queue: LoginQueue, pages: Pages) -> None:
    logins = [a_login(f"2001:db8::{number:x}") for number in range(1, 6)]
    running = started(queue, *logins)
    await settled()
    assert sum(1 for login in logins if login.sent) == 3
    pages.go.set()
    await running


async def test_locked_address_is_refused_without_django(
    queue: LoginQueue, pages: Pages, clock: Clock
) -> None:
    pages.go.set()
    pages.lock_for = 900.0
    await a_login().meet(queue)
    refused, other = a_login(), a_login("198.51.100.1")
    await refused.meet(queue)
    await other.meet(queue)
    assert (refused.status, other.status, len(pages.bodies)) == (429, 200, 2)
    assert refused.headers["retry-after"] == "11"
    clock.advance(login_queue.REMEMBERED_SECONDS)
    again = a_login()
    await again.meet(queue)
    assert again.status == 200, "a lock that was lifted must end"


async def test_form_that_does_not_come_holds_no_place(
    queue: LoginQueue, pages: Pages, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_queue, "FORM_SECONDS", 0.01)
    pages.go.set()
    slow, other = a_login(), a_login("198.51.100.1")
    slow.incoming = asyncio.Queue()
    slow.incoming.put_nowait({"type": "http.request", "body": b"u", "more_body": True})
    await asyncio.gather(slow.meet(queue), other.meet(queue))
    assert (slow.status, other.status) == (408, 200)


async def test_form_that_is_no_form_is_refused(queue: LoginQueue, pages: Pages) -> None:
    large = a_login(body=b"x" * (FORM_BYTES + 1))
    await large.meet(queue)
    assert (large.status, pages.bodies) == (413, [])


async def test_visitor_who_leaves_gives_the_place_back(queue: LoginQueue, pages: Pages) -> None:
    left = asyncio.create_task(a_login().meet(queue))
    await settled()
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    pages.go.set()
    other = a_login()
    await other.meet(queue)
    assert other.status == 200


@pytest.mark.parametrize(("method", "path"), [("GET", LOGIN), ("POST", "/admin/"), ("GET", "/")])
async def test_everything_else_passes_by(
    queue: LoginQueue, pages: Pages, method: str, path: str
) -> None:
    first = asyncio.create_task(a_login().meet(queue))
    others = [Connection(method, path) for _ in range(5)]
    running = started(queue, *others)
    await settled()
    assert pages.running == 6
    pages.go.set()
    await asyncio.gather(first, running)
