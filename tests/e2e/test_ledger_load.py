"""Everything that a client saw finished is in the ledger once, whatever happens to the server."""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.conftest import Start
from tests.fakes import books, postgres
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.crowd import AT_ONCE, WAIT_SECONDS, Crowd, Seen, number_of
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Call, Gate, Reply
from tests.fakes.script import in_mode

AHEAD = 200


@dataclass(slots=True)
class Counted:
    """What the backend counted, by the number of the request: prompt, cached, completion.

    The number that is held stands at the gate, so that a kill is sure to cut it, while others come
    and go around it. AHEAD of it all stand there, so that they do not end before the kill.
    """

    numbers: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    held: tuple[int, Gate] = field(default_factory=lambda: (0, Gate()))

    def hold(self, number: int) -> Gate:
        """From now on this one, at this gate. Those that were held go on."""
        before, self.held = self.held, (number, Gate())
        before[1].open()
        return self.held[1]

    def answer(self, call: Call) -> Reply:
        number = number_of(call)
        counts = self.numbers[number] = 10_000 + number, number % 7, 1 + number % 97
        prompt, cached, completion = counts
        details = {"cached_tokens": cached}
        used = usage(prompt, completion, prompt_tokens_details=details)
        reply = in_mode((role(), text(f"This is {number}."), finish("stop"), used), call)
        held, gate = self.held
        return replace(reply, before=gate) if number == held or number >= held + AHEAD else reply


def check_rows(gateway: Gateway, seen: list[Seen], counted: Counted) -> list[books.Row]:
    """What clients, the backend and the ledger say of the requests is the same."""
    rows = {row["request_id"]: row for row in books.rows(gateway)}
    whole = [one for one in seen if one.whole]
    ours = [rows[one.headers["request-id"]] for one in whole]
    for one, row in zip(whole, ours, strict=True):
        assert (one.status, row["status"], row["session"]) == (200, 200, f"session-{one.number}")
        prompt, cached, completion = counted.numbers[one.number]
        told = one.body["usage"]
        assert (told["input_tokens"], told["cache_read_input_tokens"]) == (prompt - cached, cached)
        assert told["output_tokens"] == row["output_tokens"] == completion
        assert (row["input_tokens"], row["cache_read_tokens"]) == (prompt - cached, cached)
        assert (row["streamed"], row["estimated"]) == (one.number % 2 == 0, False)
    used = [counted.numbers[one.number] for one in whole]
    total = [sum(counts) for counts in zip(*used, strict=True)]
    assert sum(row["input_tokens"] + row["cache_read_tokens"] for row in ours) == total[0]
    assert sum(row["output_tokens"] for row in ours) == total[2]
    assert len({row["session"] for row in rows.values()}) == len(rows), "a request has two rows"
    assert len(whole) <= len(rows) <= len(seen)
    return list(rows.values())


def kill_all(start: Start, gateway: Gateway, **variables: str) -> Gateway:
    """Nothing of it is left; another one comes after it."""
    gateway.kill()
    return start("serve", after=gateway, **variables)


def kill_a_worker(start: Start, gateway: Gateway, **variables: str) -> Gateway:
    """The others go on, and there is soon a new one."""
    workers = gateway.workers
    os.kill(workers[-1], signal.SIGKILL)
    books.until(
        lambda: gateway.workers,
        lambda found: workers[-1] not in found and len(found) == len(workers),
        gateway,
    )
    return gateway


Kill = Callable[..., Gateway]


@dataclass(frozen=True, slots=True)
class Trial:
    """So many requests, and how the gateway is killed after a third of them and after two.

    `deaths`: how many processes that served end in all.
    """

    count: int
    kills: tuple[Kill, Kill]
    deaths: int
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> tuple[int, int]:
        return self.count // 3, self.count * 2 // 3


DAPHNE = Trial(1000, (kill_all, kill_all), 2)
WORKERS = Trial(1000, (kill_a_worker, kill_all), 3, {"SERVER": "uvicorn", "WORKERS": "2"})


def check_cuts(seen: list[Seen], counted: Counted, trial: Trial) -> None:
    """Kills cut what they must, and nothing else is cut.

    A process takes no more with it than is asked at once. Who is cut and connects again before its
    door is closed is cut once more, but the backend never hears of that.
    """
    cut = {one.number for one in seen if not one.whole}
    assert [one.number for one in seen if one.calm and not one.whole] == []
    assert len(cut & counted.numbers.keys()) <= trial.deaths * AT_ONCE
    assert cut >= {n for n, kill in zip(trial.held, trial.kills, strict=True) if kill is kill_all}


ON_POSTGRES = pytest.param("two workers on PostgreSQL", marks=pytest.mark.slow)


@pytest.fixture(params=["daphne on SQLite", ON_POSTGRES])
def trial(request: pytest.FixtureRequest) -> Iterator[Trial]:
    if "SQLite" in request.param:
        yield DAPHNE
    elif postgres.programs() is None:
        pytest.skip("no PostgreSQL server: initdb was not found")
    else:
        with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder)) as url:
            yield replace(WORKERS, variables={**WORKERS.variables, "DATABASE_URL": url})


def test_killed_server_loses_no_request_that_a_client_saw_finished(
    start_gateway: Start, backend: FakeBackend, trial: Trial
) -> None:
    """design, The ledger: kill -9 in the middle of everything, and again."""
    counted = Counted()
    backend.on(ALPHA).each(counted.answer)
    gateway = start_gateway("serve", **trial.variables)
    gate = counted.hold(trial.held[0])
    with Crowd(gateway.url, trial.count) as crowd:
        for kill, following in zip(trial.kills, (trial.held[1], trial.count), strict=True):
            gate.wait_reached(WAIT_SECONDS)
            with crowd.killing():
                gateway = kill(start_gateway, gateway, **trial.variables)
            gate = counted.hold(following)
            crowd.move(gateway.url)
        seen = crowd.wait_all()
    gateway.stop()
    check_rows(gateway, seen, counted)
    check_cuts(seen, counted, trial)
    assert f"{len(books.rows(gateway)):,} requests" in books.check(gateway)
