"""Discovery: when a list is read, and with whose key. wire B7."""

import asyncio
from typing import Any

import pytest

from bridge import process_settings
from bridge.backends import discovery as discovering
from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend as Row
from tests.bridge.found import Found, reads
from tests.bridge.making import SECRET, Clock
from tests.fakes.backend import MODELS, FakeBackend
from tests.fakes.replies import Gate

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 25.0


# --- keys --------------------------------------------------------------------------------------


def locked(backend: FakeBackend, refusals: int = 1, status: int = 401) -> None:
    """A list that is refused so many times."""
    script = backend.route("GET", MODELS)
    for _ in range(refusals):
        script.error(status)
    script.json({"data": [{"id": "a", "max_model_len": 1}]})


def keys_seen(backend: FakeBackend) -> list[str | None]:
    return [call.header("authorization") for call in backend.requests_for(MODELS)]


async def test_operators_key_reads_the_list(
    found: Found, backend: FakeBackend, settings: Any
) -> None:
    settings.BACKEND_SECRET = {"KEY": "cpk_operators"}.get
    await Row.objects.aupdate(credential="env:KEY")
    await found.store.load()
    running = asyncio.create_task(found.discovery.run())
    await asyncio.to_thread(backend.wait_for_request, MODELS)
    running.cancel()
    assert keys_seen(backend) == ["Bearer cpk_operators"]


@pytest.mark.parametrize("status", [401, 403])
async def test_first_request_with_a_key_reads_a_list_that_needs_one(
    found: Found, backend: FakeBackend, status: int
) -> None:
    """Ours."""
    locked(backend, status=status)
    await found.refresh()
    assert (found.names, found.reachable) == (None, True)
    await found.prepare("")
    assert found.names is None
    await found.prepare(SECRET)
    assert found.names == ["a"]
    assert keys_seen(backend) == [None, f"Bearer {SECRET}"]


async def test_list_that_needs_a_key_is_not_asked_without_one(
    found: Found, backend: FakeBackend
) -> None:
    locked(backend, refusals=9)
    await found.refresh()
    found.clock.advance(1000.0)
    assert not found.discovery._is_due(found.backend)


async def test_wrong_key_is_not_tried_with_every_request(
    found: Found, backend: FakeBackend
) -> None:
    """Ours: never more often than DISCOVERY_MIN_INTERVAL when it answers errors."""
    locked(backend, refusals=2)
    await found.refresh()
    for _ in range(5):
        await found.prepare("cpk_wrong")
    assert reads(backend) == 2
    found.clock.advance(301.0)
    await found.prepare(SECRET)
    assert (reads(backend), found.names) == (3, ["a"])


@pytest.mark.parametrize("refusals", [1, 99], ids=["good key", "wrong key"])
async def test_requests_at_the_same_moment_read_the_list_once(
    found: Found, backend: FakeBackend, refusals: int
) -> None:
    """Ours: a crowd at the start is one reader."""
    locked(backend, refusals=refusals)
    await found.refresh()
    await asyncio.gather(*(found.prepare(SECRET) for _ in range(20)))
    assert reads(backend) == 2


# --- when --------------------------------------------------------------------------------------


async def test_request_waits_for_the_first_list(found: Found, backend: FakeBackend) -> None:
    gate = Gate()
    backend.route("GET", MODELS).json({"data": [{"id": "a", "max_model_len": 1}]}, before=gate)
    reading = asyncio.create_task(found.refresh())
    preparing = asyncio.create_task(found.prepare(SECRET))
    await asyncio.to_thread(gate.wait_reached)
    assert not preparing.done()
    gate.open()
    await asyncio.wait_for(asyncio.gather(reading, preparing), WAIT)
    assert (found.names, reads(backend)) == (["a"], 1)


async def test_request_does_not_wait_for_ever(
    found: Found, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the backend may still know the model."""
    monkeypatch.setattr(discovering, "FIRST_WAIT", 0.01)
    await asyncio.wait_for(found.prepare(SECRET), WAIT)
    assert found.names is None


async def test_known_list_is_not_waited_for(found: Found, backend: FakeBackend) -> None:
    await found.refresh()
    backend.route("GET", MODELS).json({}, before=Gate())
    await asyncio.wait_for(found.prepare(SECRET), WAIT)
    assert reads(backend) == 1


async def test_list_is_read_again_when_it_seems_out_of_date(
    found: Found, backend: FakeBackend
) -> None:
    """wire E2, 404 with model wording: refresh the list once first; not for every such call."""
    await found.refresh()
    backend.list_models("new")
    for _ in range(5):
        await found.discovery.recheck(found.backend, SECRET)
    assert (found.names, reads(backend)) == (["new"], 2)
    found.clock.advance(11.0)
    await found.discovery.recheck(found.backend, SECRET)
    assert reads(backend) == 3


class Rounds:
    """Stands where every round of the schedule begins; tells when so many have."""

    def __init__(self, store: SnapshotStore, wanted: int) -> None:
        self._loaded, self._left = store.loaded, wanted
        self.done = asyncio.Event()

    async def __call__(self) -> None:
        await self._loaded()
        self._left -= 1
        if self._left < 0:
            self.done.set()


async def test_schedule_reads_what_is_due(
    found: Found, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: at start, on a schedule of 60 s. R7."""
    rounds = Rounds(found.store, 5)
    monkeypatch.setattr(found.store, "loaded", rounds)
    monkeypatch.setattr(discovering, "TICK", 0.001)
    gate = Gate()
    good = {"data": [{"id": "a", "max_model_len": 1}]}
    backend.route("GET", MODELS).json(good).json(good, before=gate)
    running = asyncio.create_task(found.discovery.run())
    await asyncio.wait_for(found.discovery.progress(found.backend).tried.wait(), WAIT)
    await asyncio.wait_for(rounds.done.wait(), WAIT)
    assert reads(backend) == 1
    found.clock.advance(60.0)
    await asyncio.to_thread(gate.wait_reached)
    assert reads(backend) == 2
    gate.open()
    running.cancel()


async def test_demo_is_never_asked(
    upstream: BackendClient, schedule: Clock, nothing_in_the_environment: Any
) -> None:
    store = SnapshotStore()
    await store.start()
    discovery = Discovery(
        upstream, Health(5, 30.0, schedule), store, process_settings.read().backends, schedule
    )
    assert store.current.is_demo
    await asyncio.wait_for(discovery.prepare("x", "", lambda backend: SECRET), WAIT)
    await discovery.recheck(store.current.routes.backends[0], SECRET)
    assert discovery._backends() == []
