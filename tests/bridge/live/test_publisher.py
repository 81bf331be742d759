"""The pulse: told while somebody watches and never else, without a key's text (pages, "live")."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from channels.layers import channel_layers, get_channel_layer

from bridge.cluster import redis
from bridge.ledger.record import Record
from bridge.live import publisher
from bridge.live.messages import GATEWAYS, MOST_FINISHED, MOST_RUNNING, WATCHED, WATCHERS, Running
from bridge.live.publisher import ActivityPublisher
from bridge.runtime.gateway import Gateway
from tests.bridge.making import SECRET
from tests.bridge.roads import begin, call, piece, rest, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.redis import RedisServer
from tests.fakes.replies import Gate

WAIT = 25.0


@dataclass(frozen=True)
class Journey:
    number: int

    def seen(self) -> Running:
        return Running(f"req_{self.number}", float(self.number))


class Ledger:
    """Is so far behind."""

    behind = (2, 1.5)


def a_pulse(count: int = 0, with_redis: bool = False) -> ActivityPublisher:
    exchanges = [Journey(number) for number in range(1, count + 1)]
    return ActivityPublisher(exchanges, Ledger(), with_redis=with_redis)


def ended(number: int, **told: Any) -> Record:
    record = Record(f"req_{number}", status=200, **told)
    record.write()
    return record


def watched(count: int = 0) -> ActivityPublisher:
    pulse = a_pulse(count)
    pulse.watched()
    return pulse


# --- what is told -------------------------------------------------------------------------------


async def test_a_beat_has_what_runs_and_what_ended() -> None:
    pulse = watched(3)
    pulse.finished(ended(7, input_tokens=10, output_tokens=5, model="m", key="ci", key_id=4))
    pulse.finished(_with(ended(8), status=529))
    beat = pulse.beat()
    assert [one.id for one in beat.running] == ["req_3", "req_2", "req_1"]
    assert (beat.running_count, beat.tokens) == (3, 15)
    assert (beat.waiting, beat.lag) == (2, 1.5)
    assert beat.ended == {"answered": 1, "error": 1}
    (first, second) = beat.finished
    assert (first.id, first.key_id, first.model, first.input_tokens) == ("req_7", 4, "m", 10)
    assert (second.outcome, second.status) == ("error", 529)
    assert abs(first.at - time.time()) < 60


def _with(record: Record, **told: Any) -> Record:
    for name, value in told.items():
        setattr(record, name, value)
    return record


async def test_a_beat_is_told_once() -> None:
    pulse = watched()
    pulse.finished(ended(1))
    assert pulse.beat().ended == {"answered": 1}
    following = pulse.beat()
    assert (following.ended, following.finished, following.tokens) == ({}, (), 0)


async def test_a_flood_is_counted_in_full_and_listed_in_part() -> None:
    """A page of a busy gateway gets messages of a bounded size."""
    pulse = watched(MOST_RUNNING + 5)
    for number in range(MOST_FINISHED + 20):
        pulse.finished(ended(number))
    beat = pulse.beat()
    assert (len(beat.running), beat.running_count) == (MOST_RUNNING, MOST_RUNNING + 5)
    assert len(beat.finished) == MOST_FINISHED
    assert beat.finished[-1].id == f"req_{MOST_FINISHED + 19}"
    assert beat.ended == {"answered": MOST_FINISHED + 20}


async def test_what_ends_while_nobody_watches_is_not_kept() -> None:
    pulse = a_pulse()
    pulse.finished(ended(1))
    pulse.watched()
    assert pulse.beat().ended == {}


async def test_a_message_is_plain_data() -> None:
    """Channel layers carry nothing else between processes."""
    pulse = watched(1)
    pulse.finished(ended(1))
    message = pulse.beat().message()
    carried = json.loads(json.dumps(message))
    assert carried["type"] == "beat"
    assert [one["id"] for one in carried["beat"]["finished"]] == ["req_1"]


# --- a request on its road ------------------------------------------------------------------------


async def test_a_running_request_is_seen_with_its_tokens_so_far(
    engine: Gateway, backend: FakeBackend
) -> None:
    """First it waits, then it answers, then it is over; its key is named and never shown."""
    before, between = Gate(), Gate()
    backend.on(ALPHA).stream(
        role(), before, text("Hello " * 50), between, finish("stop"), usage(900, 61)
    )
    engine.activity.watched()
    asking = asyncio.create_task(begin(engine, call(stream=True)))
    await asyncio.to_thread(before.wait_reached)
    (waiting,) = engine.activity.beat().running
    assert waiting.waiting and waiting.streamed and waiting.output_tokens == 0
    assert waiting.input_tokens > 0 and waiting.model == ALPHA
    assert waiting.key == f"key-{waiting.fingerprint}"
    before.open()
    _, parts = await asking
    await asyncio.to_thread(between.wait_reached)
    seen = b""
    while b"Hello" not in seen:
        seen += await piece(parts)
    (answering,) = engine.activity.beat().running
    assert not answering.waiting and answering.output_tokens > 20
    between.open()
    await rest(parts)
    beat = engine.activity.beat()
    (over,) = beat.finished
    assert (beat.running, over.id, over.output_tokens) == ((), answering.id, 61)
    for told in (waiting, answering, over):
        assert SECRET.encode() not in msgspec.json.encode(told)


async def test_a_refused_request_ends_too(engine: Gateway, backend: FakeBackend) -> None:
    engine.activity.watched()
    await send(engine, model="no/such")
    (over,) = engine.activity.beat().finished
    assert (over.outcome, over.status, over.model) == ("refused", 404, "no/such")


# --- watchers -------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "PERIOD", 0.01)
    monkeypatch.setattr(publisher, "PAUSE_SECONDS", (0.01, 0.05))


@asynccontextmanager
async def running(pulse: ActivityPublisher) -> AsyncIterator[None]:
    task = asyncio.create_task(pulse.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT):
        while not await happened():
            await asyncio.sleep(0.01)


class Watcher:
    """Says that it watches, and hears."""

    def __init__(self) -> None:
        self.layer: Any = get_channel_layer()

    async def join(self) -> None:
        self.channel = await self.layer.new_channel()
        await self.layer.group_add(WATCHERS, self.channel)

    async def announce(self) -> None:
        await self.layer.group_send(GATEWAYS, WATCHED)

    async def beat(self) -> Any:
        async with asyncio.timeout(WAIT):
            return (await self.layer.receive(self.channel))["beat"]

    async def beats_of(self, count: int) -> set[str]:
        """The processes that tell, once there are so many of them."""
        found: set[str] = set()
        while len(found) < count:
            found.add((await self.beat())["process"])
        return found


async def test_a_watcher_is_told_each_second_by_every_process() -> None:
    watcher = Watcher()
    await watcher.join()
    async with running(a_pulse(1)), running(a_pulse()):

        async def heard() -> bool:
            await watcher.announce()
            return bool(watcher.layer.channels.get(watcher.channel))

        await until(heard)
        assert len(await watcher.beats_of(2)) == 2


async def test_without_watchers_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that left is told on until its patience ends, and no longer."""
    monkeypatch.setattr(publisher, "PATIENCE", 0.05)
    sent: list[str] = []
    layer: Any = get_channel_layer()
    original = layer.group_send

    async def noted(group: str, message: Any) -> None:
        sent.append(group)
        await original(group, message)

    monkeypatch.setattr(layer, "group_send", noted)
    pulse = a_pulse()
    async with running(pulse):
        await asyncio.sleep(0.05)
        assert sent == []
        pulse.watched()

        async def over() -> bool:
            return bool(sent) and not pulse.is_watched

        await until(over)
        count = len(sent)
        await asyncio.sleep(0.05)
        assert len(sent) == count
        pulse.finished(ended(1))
        assert pulse.beat().ended == {}


async def test_a_member_joins_anew_before_it_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Channel layers forget members of groups after a day."""
    monkeypatch.setattr(publisher, "REJOIN_SECONDS", 0.01)
    layer: Any = get_channel_layer()
    pulse = a_pulse()
    async with running(pulse):
        seen: set[str] = set()

        async def several() -> bool:
            seen.update(layer.groups.get(GATEWAYS, {}))
            return len(seen) > 2

        await until(several)
        assert len(layer.groups.get(GATEWAYS, {})) <= 1
    assert not layer.groups.get(GATEWAYS)


# --- by way of Redis ------------------------------------------------------------------------------


@pytest.fixture
def by_redis(tmp_path: Path, settings: Any) -> Any:
    """A server, and a channel layer that uses it."""
    with RedisServer(tmp_path) as server:
        settings.REDIS_URL = server.url
        settings.CHANNEL_LAYERS = {"default": redis.channel_layer(server.url)}
        channel_layers.backends.clear()
        yield server
        channel_layers.backends.clear()


async def test_processes_meet_by_way_of_redis_also_when_it_was_away(by_redis: RedisServer) -> None:
    by_redis.stop()
    pulse = a_pulse(1, with_redis=True)
    layer: Any = get_channel_layer()
    async with running(pulse):
        pulse.watched()
        await asyncio.sleep(0.05)
        by_redis.start()
        watcher = Watcher()

        async def joined() -> bool:
            try:
                await watcher.join()
                await watcher.announce()
            except redis.AWAY:
                return False
            return True

        await until(joined)
        beat = await watcher.beat()
        assert [one["id"] for one in beat["running"]] == ["req_1"]
    await layer.flush()
