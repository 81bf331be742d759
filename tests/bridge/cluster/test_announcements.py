"""Announcements: design, The snapshot: a message makes a change immediate; it is only a hint."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from bridge.cluster import announcements
from tests.fakes.listener import Listener
from tests.fakes.redis import RedisServer

ROOT = Path(__file__).resolve().parents[3]
WAIT = 25.0


class Ear:
    """Hears, and lets the test wait for it."""

    def __init__(self) -> None:
        self.count = 0
        self._heard = asyncio.Event()

    def __call__(self) -> None:
        self.count += 1
        self._heard.set()

    async def wait(self) -> None:
        """Return when something has been heard since the last wait."""
        await asyncio.wait_for(self._heard.wait(), WAIT)
        self._heard.clear()


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(announcements.listen(ear, object))
    await asyncio.sleep(0)
    yield ear
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT):
        while not condition():
            await asyncio.sleep(0.01)


def sent() -> None:
    """Return when every announcement so far has left, or has failed to."""
    announcements._sender.submit(lambda: None).result(WAIT)


@pytest.fixture(autouse=True)
def afresh(monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    """With the database in memory: without it, the file that the settings name is watched."""
    sent()  # what the test before this one announced
    announcements._outage.cache_clear()
    monkeypatch.setattr(announcements, "PAUSE_SECONDS", 0.02)


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[RedisServer]:
    """A server with a password, which the settings name. The test may stop and start it."""
    with RedisServer(tmp_path, password="s3cret") as server:
        settings.REDIS_URL = server.url
        yield server


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What was logged so far, without the kind of error; every line a warning, none a traceback."""
    caplog.set_level(logging.DEBUG, "bridge")

    def lines() -> list[str]:
        records = [record for record in caplog.records if record.name.startswith("bridge")]
        assert all(r.levelno == logging.WARNING and not r.exc_info for r in records)
        assert "s3cret" not in caplog.text
        return [record.getMessage().partition(" (")[0] for record in records]

    return lines


# --- within one process --------------------------------------------------------------------------


async def test_announcement_of_another_thread_is_heard() -> None:
    """A save in a thread without a loop."""
    asyncio.get_running_loop().set_debug(True)  # refuses calls of other threads that could sleep
    async with listening() as ear:
        thread = threading.Thread(target=announcements.announce)
        thread.start()
        await ear.wait()
        thread.join()


async def test_announcement_of_a_page_is_heard() -> None:
    """A save in the admin: sync code that the running loop waits for."""
    async with listening() as ear:
        await sync_to_async(announcements.announce)()
        await ear.wait()


async def test_announcement_on_the_loop_itself_is_heard() -> None:
    """Sync code called from a coroutine, where waiting for another coroutine is impossible."""
    async with listening() as ear:
        announcements.announce()
        assert ear.count == 0
        await ear.wait()


async def test_every_listener_hears() -> None:
    async with listening() as one, listening() as other:
        announcements.announce()
        await one.wait()
        await other.wait()


async def test_who_stopped_listening_is_not_called() -> None:
    async with listening() as gone:
        pass
    async with listening() as ear:
        announcements.announce()
        await ear.wait()
    assert gone.count == 0


def test_listener_on_a_closed_loop_is_forgotten() -> None:
    """A loop that was closed under its listener must not fail somebody's save."""
    loop = asyncio.new_event_loop()
    ear = Ear()
    announcements._listeners.append((loop, ear))
    loop.close()
    announcements.announce()
    assert announcements._listeners == []


def test_announcement_to_nobody_is_no_error() -> None:
    announcements.announce()


# --- with Redis ----------------------------------------------------------------------------------


async def test_subscription_is_heard_too(redis: RedisServer) -> None:
    """What was announced before it is made up for."""
    async with listening() as ear:
        await ear.wait()


async def test_announcement_of_another_process_is_heard(redis: RedisServer, tmp_path: Path) -> None:
    """From a process without a loop that ends at once, as a management command does."""
    told = "from bridge.cluster.announcements import announce; announce()"
    variables = {"DJANGO_SETTINGS_MODULE": "proxysite.settings", "DATA_DIR": str(tmp_path)}
    async with listening() as ear:
        await ear.wait()
        await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", told],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "REDIS_URL": redis.url, **variables},
            check=True,
            timeout=WAIT,
        )
        await ear.wait()


def test_announcement_reaches_another_process(redis: RedisServer, tmp_path: Path) -> None:
    with Listener(tmp_path, {"REDIS_URL": redis.url}) as other:
        announcements.announce()
        other.wait_for_more()


async def test_announcement_of_a_running_loop_reaches_another_process(
    redis: RedisServer, tmp_path: Path
) -> None:
    with Listener(tmp_path, {"REDIS_URL": redis.url}) as other:
        announcements.announce()
        await asyncio.to_thread(other.wait_for_more)


async def test_redis_may_come_after_the_listener(
    redis: RedisServer, said: Callable[[], list[str]]
) -> None:
    redis.stop()
    async with listening() as ear:
        await until(lambda: said() == [announcements.AWAY])
        redis.start()
        await ear.wait()
    assert said() == [announcements.AWAY, announcements.BACK]


async def test_redis_may_restart_under_the_listener(
    redis: RedisServer, said: Callable[[], list[str]]
) -> None:
    """One warning when it goes, one line when it is back, and changes are heard again."""
    async with listening() as ear:
        await ear.wait()
        redis.stop()
        await until(lambda: said() == [announcements.AWAY])
        redis.start()
        await ear.wait()
        assert said() == [announcements.AWAY, announcements.BACK]
        count = ear.count
        announcements.announce()
        await until(lambda: ear.count > count + 1)  # directly, and by Redis


async def test_own_process_hears_while_redis_is_away(redis: RedisServer) -> None:
    redis.stop()
    async with listening() as ear:
        announcements.announce()
        await ear.wait()


def test_many_announcements_without_redis_are_one_warning(
    redis: RedisServer, said: Callable[[], list[str]]
) -> None:
    redis.stop()
    for _ in range(3):
        announcements.announce()
        sent()
    assert said() == [announcements.AWAY]
    redis.start()
    announcements.announce()
    sent()
    assert said() == [announcements.AWAY, announcements.BACK]


async def test_wrong_password_is_a_warning_without_it(
    redis: RedisServer, settings: Any, said: Callable[[], list[str]]
) -> None:
    """design, Secrets: nothing secret in a log."""
    settings.REDIS_URL = redis.url.replace("s3cret", "not-the-s3cret")
    async with listening():
        await until(lambda: said() == [announcements.AWAY])
        announcements.announce()
        sent()
    assert said() == [announcements.AWAY]


# --- a Redis that misbehaves ---------------------------------------------------------------------


@pytest.fixture
def mute(settings: Any) -> Iterator[socket.socket]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.REDIS_URL = f"redis://127.0.0.1:{server.getsockname()[1]}"
        yield server


def test_announcements_wait_for_nobody(mute: socket.socket) -> None:
    """A save returns although nobody answers; all that wait are told by one message."""
    for _ in range(100):
        announcements.announce()
    assert announcements._queued.is_set()
    assert announcements._sender._work_queue.qsize() <= 1
    sent()


async def test_mute_server_counts_as_away(
    mute: socket.socket, said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "ANSWER_SECONDS", 0.05)
    async with listening():
        await until(lambda: said() == [announcements.AWAY])


async def test_pause_is_kept_between_two_attempts(
    mute: socket.socket, said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No busy loop: who hangs up at once is asked again only after a pause."""
    connections = 0

    def hang_up() -> None:
        nonlocal connections
        connections += 1
        mute.accept()[0].close()

    monkeypatch.setattr(announcements, "PAUSE_SECONDS", 3600)
    mute.setblocking(False)
    asyncio.get_running_loop().add_reader(mute, hang_up)
    async with listening():
        await until(lambda: said() == [announcements.AWAY])
        announcements.announce()
        await asyncio.to_thread(sent)
        assert connections == 2, "one of the listener, one of the announcement"
    asyncio.get_running_loop().remove_reader(mute)


async def test_connection_that_fell_silent_is_given_up(
    redis: RedisServer, said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that vanished without a word sends nothing, so it is asked now and then."""
    monkeypatch.setattr(announcements, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(announcements, "ANSWER_SECONDS", 0.05)
    async with listening() as ear:
        await ear.wait()
        redis.freeze()
        await until(lambda: said() == [announcements.AWAY])
        redis.thaw()
        await ear.wait()


async def test_connection_that_is_quiet_but_answers_is_kept(
    redis: RedisServer, said: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "QUIET_SECONDS", 0.02)
    async with listening() as ear:
        await ear.wait()
        pings = redis.calls("ping")
        await until(lambda: redis.calls("ping") >= pings + 3)
        assert (ear.count, said()) == (1, [])
