"""Discovery: model lists of a real server into rows. wire B7."""

import asyncio

import pytest

from bridge.backends import discovery
from bridge.backends.client import BackendClient
from bridge.configuration.snapshot import NOT_CONFIGURED
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend as Row
from bridge.models import ConfigVersion, DiscoveredModel
from tests.bridge.found import Found, reads
from tests.bridge.making import Clock, a_backend
from tests.bridge.ports import closed_port, deaf_port
from tests.fakes.backend import MODELS, FakeBackend
from tests.fakes.replies import Gate

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = 25.0


async def test_list_becomes_rows_and_the_snapshot(found: Found, backend: FakeBackend) -> None:
    """P12."""
    backend.list_models(a={"max_model_len": 4096}, b={"context_length": 99})
    await found.refresh()
    assert found.names == ["a", "b"]
    assert found.backend.models is not None
    assert [known.context for known in found.backend.models.values()] == [4096, 99]
    assert (found.reachable, found.next_read_in) == (True, 60.0)


async def test_list_that_did_not_change_is_no_change(found: Found, backend: FakeBackend) -> None:
    """design, The snapshot: else every process would reload every minute."""
    await found.refresh()
    before = await asyncio.to_thread(ConfigVersion.current)
    snapshot = found.store.current
    await found.refresh()
    assert reads(backend) == 2
    assert await asyncio.to_thread(ConfigVersion.current) == before
    assert found.store.current is snapshot


async def test_model_that_went_is_not_offered_and_may_come_back(
    found: Found, backend: FakeBackend
) -> None:
    for names in (["a", "b"], ["b"], ["a", "b"]):
        backend.list_models(*names)
        await found.refresh()
        assert found.names == names
    assert await DiscoveredModel.objects.acount() == 2


async def test_facts_follow_the_list(found: Found, backend: FakeBackend) -> None:
    for size in (4096, 8192):
        backend.list_models(a={"max_model_len": size})
        await found.refresh()
    assert found.backend.models is not None
    assert found.backend.models["a"].context == 8192


async def test_what_an_operator_wrote_stays(found: Found, backend: FakeBackend) -> None:
    backend.list_models(a={"max_model_len": 4096})
    await found.refresh()
    await DiscoveredModel.objects.aupdate(reasoning_turns="none")
    backend.list_models(a={"max_model_len": 8192})
    await found.refresh()
    assert found.backend.models is not None
    assert found.backend.models["a"].reasoning_turns == "none"


# --- lists that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize("status", [404, 429, 500, 502, 503, 301])
async def test_list_that_is_refused_changes_nothing(
    found: Found, backend: FakeBackend, status: int
) -> None:
    """wire F137: models known from the database. no more often than MIN_INTERVAL.

    P14.
    """
    await found.refresh()
    known = found.names
    backend.route("GET", MODELS).error(status)
    await found.refresh()
    assert (found.names, found.reachable, found.next_read_in) == (known, True, 300.0)


@pytest.mark.parametrize("body", ["<html>", "", "{", '{"data": null}', '{"error": "x"}', "7"])
async def test_list_that_makes_no_sense_changes_nothing(
    found: Found, backend: FakeBackend, body: str
) -> None:
    """wire B7: tolerate `{"data":null}`."""
    await found.refresh()
    known = found.names
    backend.route("GET", MODELS).raw(body, "application/json")
    await found.refresh()
    assert (found.names, found.reachable) == (known, True)


async def move_to(found: Found, url: str) -> None:
    await Row.objects.aupdate(url=url)
    await found.store.load()


async def test_backend_that_is_down_is_not_reachable(found: Found) -> None:
    with closed_port() as port:
        await move_to(found, f"http://127.0.0.1:{port}/v1")
        await found.refresh()
    assert (found.reachable, found.names, found.next_read_in) == (False, None, 10.0)


async def test_backend_that_does_not_even_connect_is_not_reachable(
    schedule: Clock, transactional_db: None
) -> None:
    hasty = BackendClient(connect_timeout=0.05)
    store = SnapshotStore()
    with deaf_port() as port:
        await Row.objects.acreate(name="main", url=f"http://127.0.0.1:{port}/v1")
        await store.start()
        found = Found(hasty, store, schedule)
        await found.refresh()
        assert (found.reachable, found.next_read_in) == (False, 10.0)
    await hasty.aclose()


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://127.0.0.1:99999/v1"])
async def test_impossible_address_does_not_end_discovery(
    found: Found, backend: FakeBackend, url: str
) -> None:
    """Ours: one typo in one row must not stop the others. Such a backend is not asked."""
    await Row.objects.acreate(name="typo", url=url, position=0)
    await Row.objects.filter(name="main").aupdate(position=1)
    await found.store.load()
    broken, good = found.store.current.routes.backends
    assert (broken.name, broken.broken) == ("typo", NOT_CONFIGURED)
    running = asyncio.create_task(found.discovery.run())
    await asyncio.wait_for(found.discovery.progress(good).tried.wait(), WAIT)
    await asyncio.wait_for(found.prepare("cpk_any"), WAIT)
    running.cancel()
    assert found.health.of(good).reachable is True
    assert not found.discovery.progress(broken).tried.is_set()


async def test_address_that_became_impossible_leaves_the_last_good_one(
    found: Found, backend: FakeBackend
) -> None:
    """snapshot.py: a bad row serves on with its last good value."""
    await found.refresh()
    known = found.names
    await move_to(found, "http://[::1/v1")
    await found.refresh()
    assert (found.names, found.reachable, reads(backend)) == (known, True, 2)


async def test_backend_that_is_back_is_reachable_again(found: Found, backend: FakeBackend) -> None:
    with closed_port() as port:
        await move_to(found, f"http://127.0.0.1:{port}/v1")
        await found.refresh()
    await move_to(found, f"{backend.base_url}/v1")
    await found.refresh()
    assert found.reachable is True


async def test_list_that_never_ends_is_given_up(
    found: Found, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow list is no dead host: requests of that backend may be answered all the same."""
    monkeypatch.setattr(discovery, "LIST_TIMEOUT", 0.05)
    backend.route("GET", MODELS).json({}, before=Gate())
    await found.refresh()
    assert (found.reachable, found.names, found.next_read_in) == (None, None, 60.0)


# --- details -----------------------------------------------------------------------------------


async def test_details_are_asked_where_the_list_tells_only_names(
    found: Found, backend: FakeBackend
) -> None:
    """Ours: `/v1/models/{id}` where it helps."""
    backend.list_models("a", "b")
    for name, size in (("a", 1024), ("b", 2048)):
        detail = {"id": name, "max_model_len": size}
        backend.route("GET", f"{MODELS}/{name}").json(detail)
    await found.refresh()
    assert found.backend.models is not None
    assert [known.context for known in found.backend.models.values()] == [1024, 2048]


async def test_details_are_not_asked_where_the_list_told(
    found: Found, backend: FakeBackend
) -> None:
    backend.list_models(a={"max_model_len": 1024})
    await found.refresh()
    assert len(backend.requests) == 1


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_details_that_tell_nothing_are_not_asked_for_the_rest(
    found: Found, backend: FakeBackend, status: int
) -> None:
    """wire B7: optional on backends; a 404 there is not a failure."""
    names = [f"m{i}" for i in range(10)]
    backend.list_models(*names)
    backend.route("GET", f"{MODELS}/m0").json({"id": "m0"}, status)
    await found.refresh()
    assert (found.names, found.reachable, len(backend.requests)) == (names, True, 2)


async def test_details_that_hang_do_not_cost_the_list(
    found: Found, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wire B7: optional, so what the list told must arrive without them."""
    monkeypatch.setattr(discovery, "DETAILS_TIMEOUT", 0.05)
    backend.list_models("a")
    backend.route("GET", f"{MODELS}/a").json({}, before=Gate())
    await found.refresh()
    assert (found.names, found.reachable) == (["a"], True)


async def test_details_once_known_survive_a_read_without_them(
    found: Found, backend: FakeBackend
) -> None:
    """discovery.py: a failed read changes nothing."""
    backend.list_models("a")
    detail = backend.route("GET", f"{MODELS}/a")
    detail.json({"id": "a", "max_model_len": 1024}).error(500)
    for _ in range(2):
        await found.refresh()
        assert found.backend.models is not None
        assert found.backend.models["a"].context == 1024


async def test_list_of_a_backend_that_was_deleted_meanwhile_is_dropped(found: Found) -> None:
    """Ours: the admin does not wait for discovery."""
    gone = a_backend(found.backend.url, id=999)
    await found.discovery.refresh(gone, "")
    assert await DiscoveredModel.objects.acount() == 0
