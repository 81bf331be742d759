"""Discovery: whose key is shown to whom, and what a request waits for. Several backends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bridge.backends import discovery as discovering
from bridge.keys.authentication import Caller, IssuedKey
from bridge.models import Backend as Row
from bridge.relay.prepare import forwarded_key
from bridge.runtime.gateway import Gateway
from tests.bridge.found import Found, reads
from tests.bridge.making import SECRET, a_backend
from tests.bridge.pairs import change
from tests.bridge.ports import closed_port, no_descriptor_left
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, MODELS, FakeBackend
from tests.fakes.replies import Call, Gate, Reply, fixed

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 25.0


def locked(backend: FakeBackend, *models: str, key: str = SECRET) -> None:
    """A list that is told to the owner of this key alone."""
    listing = {"data": [{"id": name, "max_model_len": 1} for name in models]}

    def answer(call: Call) -> Reply:
        opens = call.header("authorization") == f"Bearer {key}"
        body = listing if opens else {"error": {"message": "no key"}}
        return fixed(json.dumps(body).encode(), "application/json", 200 if opens else 401)

    backend.route("GET", MODELS).each(answer)


def keys_seen(backend: FakeBackend) -> list[str | None]:
    return [call.header("authorization") for call in backend.requests_for(MODELS)]


@pytest.fixture
async def two(found: Found, spare: FakeBackend) -> Found:
    """Discovery before two backends, `main` and behind it `spare`."""
    await Row.objects.acreate(name="spare", url=f"{spare.base_url}/v1", position=1)
    await found.store.load()
    return found


async def tried(found: Found) -> None:
    """The first tries of all lists are over."""
    for backend in found.store.current.routes.backends:
        await found.discovery.refresh(backend, "")


# --- keys ---------------------------------------------------------------------------------------


async def test_key_is_not_shown_to_a_backend_that_the_request_does_not_go_to(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    """The first backend lists the model, so the second has no business with the key."""
    backend.list_models(a={"max_model_len": 1})
    locked(spare, "b")
    await tried(two)
    await two.prepare(SECRET, "a")
    assert keys_seen(spare) == [None]


async def test_key_goes_no_further_than_the_backend_that_takes_it(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    locked(backend, "a")
    locked(spare, "b")
    await tried(two)
    await two.prepare(SECRET, "a")
    assert keys_seen(backend) == [None, f"Bearer {SECRET}"]
    assert keys_seen(spare) == [None]
    assert two.names == ["a"]


async def test_key_that_is_refused_goes_no_further(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    """The request itself would be refused there too, and never reach the next one."""
    locked(backend, "a", key="cpk_another")
    locked(spare, "b")
    await tried(two)
    for _ in range(3):
        await two.prepare(SECRET, "b")
    assert keys_seen(backend) == [None, f"Bearer {SECRET}"]
    assert keys_seen(spare) == [None]


async def test_key_goes_on_where_the_request_would(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    """The first list does not hold the model, so a request for it leads to the second."""
    locked(backend, "a")
    locked(spare, "b")
    await tried(two)
    await two.prepare(SECRET, "b")
    assert keys_seen(spare) == [None, f"Bearer {SECRET}"]
    assert [list(b.models or ()) for b in two.store.current.routes.backends] == [["a"], ["b"]]


async def test_list_of_all_models_shows_the_key_to_nobody_of_several(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    for fake in (backend, spare):
        locked(fake, "a")
    await tried(two)
    await two.discovery.prepare_lists(lambda backend: SECRET)
    assert keys_seen(backend) == keys_seen(spare) == [None]


async def test_list_of_all_models_shows_it_to_the_only_one(
    found: Found, backend: FakeBackend
) -> None:
    """Whatever this caller asks for leads there."""
    locked(backend, "a")
    await found.refresh()
    await found.discovery.prepare_lists(lambda backend: SECRET)
    assert found.names == ["a"]


@pytest.mark.parametrize(
    ("caller", "style", "key"),
    [
        (Caller("f", secret=SECRET), "both", SECRET),
        (Caller("f", secret=SECRET), "header", SECRET),
        (Caller("f", secret=SECRET), "env", ""),
        (Caller("f", secret="sk-ant-vendor"), "both", ""),
        (Caller("f", issued=IssuedKey(1, "k")), "both", ""),
    ],
    ids=["own", "own, header", "never forwarded", "vendor's", "issued"],
)
async def test_key_is_one_that_a_request_would_send(
    engine: Gateway, caller: Caller, style: str, key: str
) -> None:
    engine.relay.keys = type(engine.keys)(style, engine.keys.require_issued)
    assert forwarded_key(engine.relay, caller, a_backend()) == key


# --- waiting ------------------------------------------------------------------------------------


async def test_model_of_a_healthy_backend_waits_for_no_other(
    two: Found, backend: FakeBackend, spare: FakeBackend
) -> None:
    """A host that swallows packets delays nobody but those who may need it."""
    backend.list_models(a={"max_model_len": 1})
    await two.refresh()
    await asyncio.wait_for(two.prepare(SECRET, "a"), WAIT)
    waiting = asyncio.create_task(two.prepare(SECRET, "unheard-of"))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_wait_counts_from_when_the_backend_became_known(two: Found) -> None:
    """Not anew for each request."""
    two.discovery.progress(two.backend)
    two.clock.advance(discovering.FIRST_WAIT)
    for backend in two.store.current.routes.backends:
        two.discovery.progress(backend).known_at = two.clock.now - discovering.FIRST_WAIT
    await asyncio.wait_for(two.prepare(SECRET, "unheard-of"), discovering.FIRST_WAIT / 2)


async def test_list_that_hangs_holds_up_no_other_list(
    two: Found, backend: FakeBackend, spare: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schedule of each backend is its own."""
    monkeypatch.setattr(discovering, "TICK", 0.001)
    gate = Gate()
    backend.route("GET", MODELS).json({}, before=gate)
    second = two.store.current.routes.backends[1]
    running = asyncio.create_task(two.discovery.run())
    await asyncio.wait_for(two.discovery.progress(second).tried.wait(), WAIT)
    await asyncio.to_thread(gate.wait_reached)
    two.clock.advance(60.0)
    await asyncio.to_thread(lambda: spare._wait(lambda: reads(spare) == 2, "no second read"))
    assert reads(backend) == 1
    running.cancel()


# --- what is known of a backend -----------------------------------------------------------------


async def test_backend_that_cannot_be_reached_is_looked_at_often(
    found: Found, backend: FakeBackend
) -> None:
    """Also where a request was the first to notice, and where its list needs a key."""
    locked(backend, "a")
    await found.refresh()
    found.clock.advance(discovering.UNREACHABLE_PAUSE)
    assert not found.discovery._is_due(found.backend)
    found.health.reached(found.backend, False)
    assert found.discovery._is_due(found.backend)
    await found.refresh()
    assert found.reachable is True
    assert not found.discovery._is_due(found.backend)


async def test_changed_credential_is_read_at_once(found: Found, backend: FakeBackend) -> None:
    await found.refresh()
    assert not found.discovery._is_due(found.backend)
    await Row.objects.aupdate(auth_header="api-key")
    await found.store.load()
    assert found.discovery._is_due(found.backend)
    assert found.reachable is None


async def test_shortage_of_the_gateway_is_not_the_backends(
    found: Found, backend: FakeBackend, caplog: pytest.LogCaptureFixture
) -> None:
    await found.refresh()
    await Row.objects.aupdate(url=backend.base_url.replace("127.0.0.1", "localhost") + "/v1")
    await found.store.load()
    known = found.backend
    with no_descriptor_left():
        progress = await found.discovery.refresh(known, "")
    assert found.health.of(known).reachable is None
    assert "Too many open files" in progress.failure
    assert "model list not read" in caplog.text


async def test_cause_is_kept_as_the_failure(found: Found, caplog: pytest.LogCaptureFixture) -> None:
    with closed_port() as port:
        await Row.objects.aupdate(url=f"http://127.0.0.1:{port}/v1")
        await found.store.load()
        progress = await found.discovery.refresh(found.backend, "")
    assert progress.failure == "Could not reach the backend (connection refused)"
    assert f"backend main: model list not read: {progress.failure}" in caplog.text


async def test_key_of_a_request_is_seen_by_its_own_backend_alone(
    engine: Gateway, backend: FakeBackend, spare: FakeBackend, settings: Any
) -> None:
    """The whole road: `main` lists the model, `spare` asks every stranger for a key."""
    locked(spare, "b")
    other = a_backend(f"{spare.base_url}/v1", "spare", id=2, position=1)
    change(engine, backends=(*engine.snapshot.routes.backends, other))
    progress = engine.discovery.progress(other)
    progress.needs_key = True
    progress.tried.set()
    assert (await send(engine, model=ALPHA)).status == 200
    assert len(backend.calls) == 1
    assert spare.requests == []
