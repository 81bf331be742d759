"""Two processes on one database: one circuit breaker for each backend. wire E2; Ours: shared."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.gateway import Gateway, Ready

WAIT = 25.0
BETA = "test/beta"


@pytest.fixture
def processes(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> Iterator[tuple[Gateway, Gateway]]:
    """Two servers of their own folders, before the same backend."""
    shared = {"DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}", "BREAKER_SECONDS": "2"}
    yield start_gateway("serve", **shared), start_gateway("uvicorn", **shared)


def until(happened: Callable[[], bool], gateway: Gateway) -> None:
    """Wait for a condition, with a deadline."""
    deadline = time.monotonic() + WAIT
    while not happened():
        assert time.monotonic() < deadline, gateway.tail()
        time.sleep(0.02)


def state(gateway: Gateway) -> tuple[str, int]:
    told = gateway.client.get("/health").json["backends"]["main"]
    return told["circuit_breaker"], told["consecutive_failures"]


def wait_for(gateway: Gateway, word: str) -> None:
    """Return when its breaker is in that state."""
    until(lambda: state(gateway)[0] == word, gateway)


def fail(gateway: Gateway, times: int) -> None:
    for _ in range(times):
        assert gateway.client.messages().status == 500


def test_failures_of_both_open_it_and_one_success_closes_it(
    processes: tuple[Gateway, Gateway], backend: FakeBackend
) -> None:
    """F114: five in a row, wherever they happened; after its time one try goes through."""
    one, two = processes
    backend.on(ALPHA).error(500, "boom")
    fail(one, 3)
    until(lambda: state(two) == ("closed", 3), two)
    fail(two, 2)
    for gateway in processes:
        wait_for(gateway, "open")
        assert gateway.client.get("/health").status == 503
        assert gateway.client.messages().status == 529
    assert len(backend.calls) == 5
    for gateway in processes:
        wait_for(gateway, "half_open")
    assert two.client.messages(model=BETA).status == 200
    for gateway in processes:
        wait_for(gateway, "closed")
        assert state(gateway) == ("closed", 0)
    assert one.client.messages(model=BETA).status == 200


def test_operator_who_forces_it_is_obeyed_by_both(
    processes: tuple[Gateway, Gateway], backend: FakeBackend
) -> None:
    """design, The snapshot: every process follows within a second."""
    main = {"name": "main", "url": backend.base_url}
    for forced, status in (("open", 529), ("closed", 200)):
        processes[0].configure(backends=[main | {"breaker": forced}])
        for gateway in processes:
            wait_for(gateway, forced)
            assert gateway.client.messages(model=BETA).status == status


def test_process_that_starts_later_knows_of_it(
    start_gateway: Start, backend: FakeBackend, tmp_path: Path
) -> None:
    """Ours: a restart is no proof that the backend is well again."""
    shared = {"DATABASE_URL": f"sqlite:///{tmp_path / 'shared.sqlite3'}", "BREAKER_SECONDS": "30"}
    first = start_gateway("serve", **shared)
    backend.on(ALPHA).error(500, "boom")
    fail(first, 5)
    wait_for(first, "open")
    assert first.stop() == 0
    second = start_gateway("serve", ready=Ready.LISTENING, **shared)
    until(lambda: second.client.get("/health").status == 503, second)
    assert second.client.messages(model=BETA).status == 529
