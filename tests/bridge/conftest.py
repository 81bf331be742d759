"""Fixtures: the client of the backends, and the rows in a database of the test's own."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from bridge import clocks, process_settings
from bridge.backends.client import BackendClient
from bridge.configuration.snapshot import Snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.ledger.record import Record
from bridge.ledger.spool import Spool
from bridge.models import Backend as Row
from bridge.relay import attempt
from bridge.routing.types import BackendConfig, Routes
from bridge.runtime.gateway import Gateway
from tests.bridge.found import Found
from tests.bridge.history import forget
from tests.bridge.making import BETA, Clock, a_backend, facts
from tests.bridge.pairs import change
from tests.bridge.processes import Both, Wall
from tests.bridge.rows import URL, a_row
from tests.bridge.spooling import BIG, Make
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.webhook import WebhookReceiver

CONNECT_SECONDS = 5.0


@pytest.fixture(scope="session")
def session_backend() -> Iterator[FakeBackend]:
    """A backend of their own: running gateways of other tests read the list of theirs at times."""
    with FakeBackend() as backend:
        yield backend


@pytest.fixture
async def upstream() -> AsyncIterator[BackendClient]:
    """The client, on the loop of the test."""
    upstream = BackendClient(CONNECT_SECONDS)
    yield upstream
    await upstream.aclose()


@pytest.fixture
def main(backend: FakeBackend) -> BackendConfig:
    """The scriptable backend, as routing knows it."""
    return a_backend(f"{backend.base_url}/v1", timeout=60.0)


@pytest.fixture
def nothing_in_the_environment(settings: Any) -> Any:
    """The settings, with no backend, alias or tool name from the environment."""
    settings.BACKEND_URL, settings.MODEL_MAP, settings.TOOL_NAME_MAP = "", {}, {}
    return settings


@pytest.fixture
def schedule() -> Clock:
    """The clock of discovery."""
    return Clock()


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
    """A gateway that is not started, in front of the scriptable backend: no rows, no work."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(attempt, "PAUSE_RANGE", (0.0, 0.0))
    engine = Gateway(process_settings.read())
    engine.store.use(Snapshot(1, Routes((replace(main, models=facts(ALPHA, BETA)),))))
    engine.primed.set()
    yield engine
    await engine.upstream.aclose()
    engine.spool.close()


@pytest.fixture
def pair(engine: Gateway, spare: FakeBackend) -> Gateway:
    """That gateway before two backends that list the same models: `main`, then `spare`."""
    other = a_backend(
        f"{spare.base_url}/v1", "spare", facts(ALPHA, BETA), id=2, position=1, timeout=60.0
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
def wall() -> Wall:
    """The wall clock of the breakers' rows."""
    return Wall()


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
def spool_clock() -> clocks.Clock:
    """The clock of the spools: the machine's, where a test file has no other."""
    return clocks.SYSTEM.steady


@pytest.fixture
def spools(folder: Path, spool_clock: clocks.Clock) -> Iterator[Make]:
    """Makes spools over that folder, as processes have them."""
    made: list[Spool] = []

    def make(max_bytes: int = BIG) -> Spool:
        made.append(Spool(folder, max_bytes, spool_clock))
        return made[-1]

    yield make
    for spool in made:
        spool.close()


@pytest.fixture
def spool(spools: Make) -> Spool:
    return spools()


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    """A receiver of webhooks."""
    with WebhookReceiver() as receiver:
        yield receiver
