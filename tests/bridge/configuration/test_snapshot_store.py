"""The store of the snapshot, and the loop that keeps it current."""

import asyncio
import dataclasses

import pytest
from django.db import InterfaceError, OperationalError

from bridge.configuration import snapshot_store
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend

WAIT = 25.0
pytestmark = pytest.mark.usefixtures("nothing_in_the_environment")
with_threads = pytest.mark.django_db(transaction=True)


def test_snapshot_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Snapshot().version = 5  # type: ignore[misc]


@with_threads
async def test_unchanged_rows_are_not_read_again() -> None:
    """design, The snapshot: compares the version."""
    store = SnapshotStore()
    await store.start()
    first = store.current
    await store.load()
    assert store.current is first


@with_threads
async def test_changed_rows_make_a_new_snapshot_beside_the_old() -> None:
    """design, The snapshot: running streams keep theirs."""
    store = SnapshotStore()
    await store.start()
    before = store.current
    await Backend.objects.acreate(name="new", url="https://h/v1")
    await store.load()
    assert [b.name for b in store.current.routes.backends] == ["new"]
    assert before.is_demo
    assert store.current.version > before.version


@with_threads
async def test_waiting_for_the_first_snapshot_ends_with_it() -> None:
    store = SnapshotStore()
    waiting = asyncio.create_task(store.loaded())
    await asyncio.sleep(0)
    assert not waiting.done()
    await store.start()
    await asyncio.wait_for(waiting, WAIT)
    assert store.is_loaded


class Database:
    """Reads of the store, one after the other: an error, or a snapshot."""

    def __init__(self, *reads: Exception | Snapshot) -> None:
        self._reads = list(reads)
        self.done = asyncio.Event()

    async def load(self, store: SnapshotStore) -> None:
        if not self._reads:
            self.done.set()
            await asyncio.Event().wait()
        read = self._reads.pop(0)
        if isinstance(read, Exception):
            raise read
        store.current = read
        store._loaded.set()


async def test_last_snapshot_serves_on_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """design, The snapshot; said once when it goes, once when it is back."""
    away, cut = OperationalError("away"), InterfaceError("connection already closed")
    database = Database(Snapshot(1), away, cut, away, Snapshot(2), cut)
    monkeypatch.setattr(snapshot_store, "POLL_SECONDS", 0)
    monkeypatch.setattr(SnapshotStore, "load", lambda store: database.load(store))
    monkeypatch.setattr(SnapshotStore, "start", lambda store: database.load(store))
    store = SnapshotStore()
    keeping = asyncio.create_task(store.keep_current())
    await asyncio.wait_for(database.done.wait(), WAIT)
    keeping.cancel()
    assert store.current.version == 2
    gone = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert all(said.startswith("the database is away, the last snapshot") for said in gone)
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING", "ERROR"]


async def test_rows_that_cannot_be_read_at_all_do_not_end_the_loop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: a value that the database gives out and no library reads. Else nothing would reload."""
    fault = ValueError("day is out of range for month")
    database = Database(Snapshot(1), fault, fault, Snapshot(2), fault, Snapshot(3))
    monkeypatch.setattr(snapshot_store, "POLL_SECONDS", 0)
    monkeypatch.setattr(SnapshotStore, "load", lambda store: database.load(store))
    monkeypatch.setattr(SnapshotStore, "start", lambda store: database.load(store))
    store = SnapshotStore()
    keeping = asyncio.create_task(store.keep_current())
    await asyncio.wait_for(database.done.wait(), WAIT)
    keeping.cancel()
    assert store.current.version == 3
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"] * 2


class Watched(SnapshotStore):
    """Tells when a snapshot without the demo has been loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()

    async def load(self) -> None:
        await super().load()
        if not self.current.is_demo:
            self.changed.set()


@with_threads
async def test_loop_notices_a_change_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """design, The snapshot: every process compares the version once a second."""
    monkeypatch.setattr(snapshot_store, "POLL_SECONDS", 0.01)
    store = Watched()
    keeping = asyncio.create_task(store.keep_current())
    await asyncio.wait_for(store.loaded(), WAIT)
    assert store.current.is_demo
    await Backend.objects.acreate(name="new", url="https://h/v1")
    await asyncio.wait_for(store.changed.wait(), WAIT)
    keeping.cancel()


async def test_requests_that_wait_share_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """docs/architecture.md: a session key that is younger than the snapshot costs one look."""
    store, loads = SnapshotStore(), []
    monkeypatch.setattr(snapshot_store, "POLL_SECONDS", 60.0)
    store.use(Snapshot())

    async def load() -> None:
        loads.append(asyncio.get_running_loop().time())

    monkeypatch.setattr(store, "load", load)
    keeping = asyncio.create_task(store.keep_current())
    try:
        async with asyncio.timeout(WAIT):
            for _ in range(3):
                await asyncio.gather(*(store.look() for _ in range(50)))
    finally:
        keeping.cancel()
    gaps = [later - earlier for earlier, later in zip(loads[1:], loads[2:], strict=False)]
    assert len(loads) == 4, "the first is the loop's own"
    assert min(gaps) >= snapshot_store.LOOK_GAP * 0.9


async def test_more_than_may_wait_go_on_with_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours: nobody looks here, and the last one does not wait."""
    monkeypatch.setattr(snapshot_store, "MOST_WAITING", 1)
    store = SnapshotStore()
    waiting = asyncio.create_task(store.look())
    await asyncio.sleep(0)
    async with asyncio.timeout(WAIT):
        await store.look()
    assert not waiting.done()
    waiting.cancel()
