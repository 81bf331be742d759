"""Fixtures: the client of the backends, and the rows in a database of the test's own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from bridge.backends import breaker_sync, discovery
from bridge.backends.breaker_sync import BreakerRows
from bridge.backends.client import BackendClient
from bridge.backends.learned_rows import LearnedRows
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.ledger.record import Record
from bridge.ledger.spool import Spool
from bridge.ledger.writer import Ledger
from bridge.live.processes import ProcessRegistry
from bridge.models import Backend as Row
from bridge.relay import attempt
from bridge.routing.resolve import BackendConfig, Routes
from bridge.runtime import sessions
from bridge.runtime.gateway import Gateway
from tests.bridge.found import Found
from tests.bridge.history import forget
from tests.bridge.making import BETA, Clock, a_backend, facts
from tests.bridge.pairs import change
from tests.bridge.processes import Both, Wall
from tests.bridge.rows import URL, a_row
from tests.bridge.spooling import BIG, Make
from tests.fakes.backend import ALPHA, FakeBackend

CONNECT_SECONDS = 5.0


@pytest.fixture
async def upstream() -> AsyncIterator[BackendClient]:
    """The client, on the loop of the test."""
    upstream = BackendClient(CONNECT_SECONDS)
    yield upstream
    await upstream.aclose()


@pytest.fixture
def main(backend: FakeBackend) -> BackendConfig:
    """The scriptable backend, as routing knows it."""
    return a_backend(f"{backend.base_url}/v1", timeout=5.0)


@pytest.fixture
def nothing_in_the_environment(settings: Any) -> Any:
    """The settings, with no backend, alias or tool name from the environment."""
    settings.BACKEND_URL, settings.MODEL_MAP, settings.TOOL_NAME_MAP = "", {}, {}
    return settings


@pytest.fixture
def schedule(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of discovery."""
    clock = Clock()
    monkeypatch.setattr(discovery, "time", clock)
    return clock


@pytest.fixture
async def found(
    upstream: BackendClient,
    backend: FakeBackend,
    schedule: Clock,
    nothing_in_the_environment: Any,
    transactional_db: None,
) -> Found:
    """Discovery that knows one backend row and has asked nothing yet."""
    nothing_in_the_environment.DISCOVERY_INTERVAL = 60.0
    nothing_in_the_environment.DISCOVERY_MIN_INTERVAL = 300.0
    await Row.objects.acreate(name="main", url=f"{backend.base_url}/v1")
    store = SnapshotStore()
    await store.start()
    return Found(upstream, store, schedule)


@pytest.fixture
async def engine(
    main: BackendConfig, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> AsyncIterator[Gateway]:
    """A gateway without rows and background work, in front of the scriptable backend."""

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(SnapshotStore, "keep_current", nothing)
    monkeypatch.setattr(discovery.Discovery, "run", nothing)
    monkeypatch.setattr(BreakerRows, "run", nothing)
    monkeypatch.setattr(ProcessRegistry, "run", nothing)
    monkeypatch.setattr(ProcessRegistry, "aclose", nothing)
    monkeypatch.setattr(LearnedRows, "run", nothing)
    monkeypatch.setattr(Ledger, "run", nothing)
    monkeypatch.setattr(Gateway, "_count", nothing)
    monkeypatch.setattr(Ledger, "aclose", nothing)
    monkeypatch.setattr(sessions, "keep_cleared", nothing)
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(attempt, "PAUSE_RANGE", (0.0, 0.0))
    engine = Gateway()
    engine.store.current = Snapshot(1, Routes((replace(main, models=facts(ALPHA, BETA)),)))
    engine.store._loaded.set()
    engine._primed.set()
    yield engine
    await engine.aclose()


@pytest.fixture
def pair(engine: Gateway, spare: FakeBackend) -> Gateway:
    """That gateway before two backends that list the same models: `main`, then `spare`."""
    other = a_backend(
        f"{spare.base_url}/v1", "spare", facts(ALPHA, BETA), id=2, position=1, timeout=5.0
    )
    change(engine, backends=(*engine.snapshot.routes.backends, other))
    return engine


@pytest.fixture
def records(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """The usage records that are written during the test."""
    written: list[Record] = []
    write = Record.write

    def noted(record: Record, spool: object = None) -> None:
        if not record.written:
            written.append(record)
        write(record)

    monkeypatch.setattr(Record, "write", noted)
    return written


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    """The wall clock of the breakers' rows."""
    wall = Wall()
    monkeypatch.setattr(breaker_sync, "timezone", wall)
    return wall


@pytest.fixture
async def saved_row(transactional_db: None) -> Row:
    """A backend in the database."""
    return await sync_to_async(a_row)()


@pytest.fixture
def both(saved_row: Row, wall: Wall) -> Both:
    """Two processes that know one backend."""
    return Both(wall, a_backend(URL, id=saved_row.pk))


@pytest.fixture
def row(db: None) -> Row:
    """A backend in the database, whose making is forgotten."""
    made = a_row()
    forget()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool of a test is to be made."""
    return tmp_path / "spool"


@pytest.fixture
def spools(folder: Path) -> Iterator[Make]:
    """Makes spools over that folder, as processes have them."""
    made: list[Spool] = []

    def make(max_bytes: int = BIG) -> Spool:
        made.append(Spool(folder, max_bytes))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


@pytest.fixture
def spool(spools: Make) -> Spool:
    return spools()
