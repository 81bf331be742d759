"""Two processes on one database: what is imported soon works in both.

the issue: changes are live, without a restart, and running streams are not disturbed.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, text, usage
from tests.fakes.client import Stream
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate

BETA = "test/beta"
STREAMS = 16
AT_ONCE = 25.0
"""Seconds, a busy machine's: what no process heard of would not be there after many more."""
POLL = 0.02
SHARED = {"SECRET_KEY": "of-both-processes-" * 3}


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'db.sqlite3'}"
    elif postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    else:
        # Not below pytest's own folder: its parents are closed to the user that the server runs as.
        with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
            yield url


@pytest.fixture
def pair(start_gateway: Start, database: str) -> list[Gateway]:
    return [start_gateway("serve", DATABASE_URL=database, **SHARED) for _ in range(2)]


def lead(gateway: Gateway, **aliases: str) -> None:
    """Import aliases of the first backend: name -> model."""
    rows = [
        {"pattern": name, "targets": [{"backend": "main", "model": model}]}
        for name, model in aliases.items()
    ]
    gateway.manage("import_config", "-", said=json.dumps({"aliases": rows}))


def reaches(gateway: Gateway, backend: FakeBackend, name: str) -> str:
    """The model that a request for this name reaches, "" for none."""
    served = gateway.client.messages(model=name).status == 200
    return backend.calls[-1].model if served else ""


def is_live(pair: list[Gateway], backend: FakeBackend, name: str, model: str) -> None:
    deadline = time.monotonic() + AT_ONCE
    for gateway in pair:
        while (found := reaches(gateway, backend, name)) != model:
            assert time.monotonic() < deadline, (
                f"{name} leads to {found or 'nothing'} at {gateway.url}"
            )
            time.sleep(POLL)


def begin(gateway: Gateway) -> Stream:
    """A stream over an alias, from which the first words have come."""
    stream = gateway.client.stream(model="moving")
    assert stream.status == 200
    stream.events_until("content_block_delta")
    return stream


def test_import_is_live_in_both_processes_and_breaks_no_stream(
    pair: list[Gateway], backend: FakeBackend
) -> None:
    """the issue: a new alias while 16 streams are running, and their own alias moved besides."""
    first, second = pair
    lead(first, moving=ALPHA)
    is_live(pair, backend, "moving", ALPHA)
    gate = Gate()
    backend.on(ALPHA).stream(text("Hel"), gate, text("lo."), finish("stop"), usage(11, 2))
    with ExitStack() as running:
        streams = [running.enter_context(begin(pair[n % 2])) for n in range(STREAMS)]
        lead(second, added=BETA, moving=BETA)
        is_live(pair, backend, "added", BETA)
        is_live(pair, backend, "moving", BETA)
        gate.open()
        messages = [stream.message() for stream in streams]
    assert {message["content"][0]["text"] for message in messages} == {"Hello."}
    assert {(m["stop_reason"], m["model"]) for m in messages} == {("end_turn", "moving")}
    assert not any(gateway.log.count("ERROR") for gateway in pair)


def test_deletion_and_a_forced_breaker_reach_both_processes(
    pair: list[Gateway], backend: FakeBackend
) -> None:
    """Ours: --prune takes away in one what it takes away in the other; so does the breaker."""
    first, second = pair
    lead(first, short=ALPHA, kept=ALPHA)
    is_live(pair, backend, "short", ALPHA)
    kept = {"pattern": "kept", "targets": [{"backend": "main", "model": ALPHA}]}
    second.manage("import_config", "-", "--prune", said=json.dumps({"aliases": [kept]}))
    is_live(pair, backend, "short", "")
    written = first.manage("export_config")
    assert "kept" in written and "short" not in written
    row = {"name": "main", "url": f"{backend.base_url}/v1", "breaker": "open"}
    first.manage("import_config", "-", said=json.dumps({"backends": [row]}))
    deadline = time.monotonic() + AT_ONCE
    while [gateway.client.messages(model="kept").status for gateway in pair] != [529, 529]:
        assert time.monotonic() < deadline, "the breaker is not open in both"
        time.sleep(POLL)
