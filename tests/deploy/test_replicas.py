"""Three gateways on one PostgreSQL behind Caddy: restarted one by one, and one of them killed.

The backend holds every stream at a gate that only the test opens, so that what runs at the moment
of a restart is known and not a matter of time.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.deploy.caddy_front import SEVERAL, Front
from tests.fakes import books, postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.crowd import Crowd, number_of
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Call, Gate, Reply, streamed

REPLICAS = 3
STREAMS = 100
DELAY_SECONDS = "10"
"""Caddy asks for their health each second, on a busy machine later. Nothing else happens in it."""

pytestmark = pytest.mark.skipif(
    postgres.programs() is None, reason="no PostgreSQL server: initdb was not found"
)


class Replicas:
    """Gateways that share a database and a folder for what is not booked yet."""

    def __init__(self, start: Start, database: str, folder: Path) -> None:
        self._start = start
        self._shared = {
            "DATABASE_URL": database,
            "SECRET_KEY": "of-all-replicas-" * 3,
            "DATA_DIR": str(folder),
            "DRAIN_DELAY_SECONDS": DELAY_SECONDS,
            "LOG_LEVEL": "warning",
        }
        self.each = [start("serve", **self._shared) for _ in range(REPLICAS)]

    @property
    def upstream(self) -> str:
        return " ".join(f"127.0.0.1:{each.port}" for each in self.each)

    def again(self, place: int) -> None:
        """Start the one that has ended, where it was."""
        before = self.each[place]
        self.each[place] = self._start("serve", after=before, again=True, **self._shared)


class Held:
    """A backend's streams, all of which stop at the gate of the moment."""

    def __init__(self, backend: FakeBackend) -> None:
        self.gate = Gate()
        self.numbers: list[int] = []
        backend.on(ALPHA).each(self._stream)

    def _stream(self, call: Call) -> Reply:
        number = number_of(call)
        self.numbers.append(number)
        ends = (text("two"), finish("stop"), usage(1000 + number, 2))
        return streamed([role(), text("one "), self.gate, *ends], call.model)

    def let_go(self) -> None:
        """Those that wait go on; those that come from now on wait at another gate."""
        before, self.gate = self.gate, Gate()
        before.open()


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    # Not below pytest's own folder: its parents are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
        yield url


@pytest.fixture(scope="module")
def replicas(
    launch_gateway: Start, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Replicas:
    return Replicas(launch_gateway, database_url, tmp_path_factory.mktemp("shared"))


@pytest.fixture
def front(replicas: Replicas, tmp_path: Path) -> Iterator[Front]:
    with Front(tmp_path, replicas.upstream, SEVERAL) as running:
        yield running


def tokens(gateway: Gateway) -> dict[str, int]:
    """What is in the ledger: the prompt of each request, by its id."""
    return {row["request_id"]: row["input_tokens"] for row in books.rows(gateway)}


@pytest.mark.parametrize(
    "restarts", [1, pytest.param(REPLICAS, marks=pytest.mark.slow)], ids=["one", "all"]
)
def test_rolling_restart_breaks_no_stream_and_loses_no_request(
    restarts: int, replicas: Replicas, front: Front, backend: FakeBackend
) -> None:
    """the issue: 100 streams at any moment, each of them whole and booked once."""
    before = tokens(replicas.each[-1])
    held, count = Held(backend), STREAMS * (restarts + 1)
    with Crowd(front.url, count, STREAMS, stream=True) as crowd:
        for place in range(restarts):
            backend.wait_for_calls(STREAMS * (place + 1))
            ending = replicas.each[place]
            ending.process.terminate()
            ending.wait_refusing()
            held.let_go()
            assert ending.wait_end() == 0
            replicas.again(place)
        backend.wait_for_calls(count)
        held.let_go()
        seen = crowd.wait_all()
    assert {one.status for one in seen} == {200}
    assert len(crowd.whole) == count
    assert sorted(held.numbers) == list(range(count)), "a request was sent twice, or never"
    books.wait_for_rows(replicas.each[0], len(before) + count)
    expected = {one.headers["request-id"]: 1000 + one.number for one in seen}
    assert tokens(replicas.each[0]) == before | expected
    books.check(replicas.each[0])


def test_killed_replica_takes_nobody_elses_streams_and_loses_no_record(
    replicas: Replicas, front: Front, backend: FakeBackend
) -> None:
    """the issue: what it had finished is booked by another one, which takes over its spool."""
    before = tokens(replicas.each[0])
    held = Held(backend)
    killed, *others = replicas.each
    with Crowd(front.url, STREAMS, STREAMS, stream=True) as first:
        backend.wait_for_calls(STREAMS)
        held.let_go()
        finished = first.wait_all()
    killed.forced = True
    crowds = [Crowd(each.url, 10, 10, stream=True) for each in replicas.each]
    for crowd in crowds:
        crowd.__enter__()
    backend.wait_for_calls(STREAMS + 30)
    killed.kill()
    held.let_go()
    seen = [crowd.wait_all() for crowd in crowds]
    assert not crowds[0].whole, "streams of a process that is gone came to their end"
    assert len(crowds[1].whole) == len(crowds[2].whole) == 10
    booked = {one.headers["request-id"] for one in [*finished, *seen[1], *seen[2]]}
    books.until(lambda: booked - tokens(others[0]).keys(), lambda missing: not missing, others[0])
    assert tokens(others[0]).keys() - before.keys() == booked
    replicas.again(0)
    books.check(replicas.each[0])
