"""Background work that fails is begun again, and shown until it has run well for a while."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bridge.runtime import background
from bridge.runtime.background import FIRST_PAUSE, LONGEST_PAUSE, WELL_AFTER, Background
from tests.bridge.making import Clock

WAIT = 25.0


class Pauses(list[float]):
    """What was slept, in no time."""

    async def sleep(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.get_running_loop().run_in_executor(None, int)


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> Pauses:
    pauses = Pauses()
    monkeypatch.setattr(background, "_sleep", pauses.sleep)
    return pauses


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def work(pauses: Pauses, clock: Clock) -> AsyncIterator[Background]:
    work = Background(clock)
    yield work
    await work.aclose()


class Failing:
    """Work that raises these, one after the other, and then goes on until it is ended."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.well = asyncio.Event()

    async def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.well.set()
        await asyncio.Event().wait()


async def run(work: Background, *errors: BaseException) -> None:
    """Return when the work goes on after these errors."""
    failing = Failing(*errors)
    work.keep(failing, "ledger")
    await asyncio.wait_for(failing.well.wait(), WAIT)


async def test_work_that_fails_is_begun_again(work: Background) -> None:
    """Observed: one unexpected error, and no record became a row until the next start."""
    await run(work, OverflowError("int too large"))
    (trouble,) = work.troubles()
    assert str(trouble) == (
        "Background work “ledger” failed and was started again: OverflowError: int too large"
    )


async def test_pause_grows_up_to_a_limit(work: Background, pauses: Pauses) -> None:
    await run(work, *(ValueError() for _ in range(20)))
    assert pauses[:4] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4, FIRST_PAUSE * 8]
    assert pauses[-1] == LONGEST_PAUSE
    (trouble,) = work.troubles()
    assert (trouble.failures, trouble.error) == (20, "ValueError")
    assert "failed 20 times" in str(trouble)


async def test_trouble_is_over_when_the_work_has_run_well(
    work: Background, clock: Clock, pauses: Pauses
) -> None:
    await run(work, ValueError(), ValueError())
    clock.advance(WELL_AFTER + 1)
    assert work.troubles() == []
    await run(work, ValueError())
    assert [trouble.failures for trouble in work.troubles()] == [1]
    assert pauses == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE]


async def test_cancellation_from_within_does_not_end_the_work(work: Background) -> None:
    """Ours: a client of something else may cancel its own waiting."""
    await run(work, asyncio.CancelledError())
    assert [trouble.error for trouble in work.troubles()] == ["CancelledError"]


async def test_error_of_a_group_is_shown_by_its_first(work: Background) -> None:
    await run(work, ExceptionGroup("unhandled errors", [KeyError("beat")]))
    assert [trouble.error for trouble in work.troubles()] == ["KeyError: 'beat'"]


async def test_shown_error_is_short_and_holds_no_credential(work: Background) -> None:
    secret = "sk-live-0123456789abcdef"
    await run(work, ValueError(f"{secret}\n{'x' * 10_000}"))
    (trouble,) = work.troubles()
    assert secret not in trouble.error
    assert len(trouble.error) == background.TEXT_LIMIT
    assert "\n" not in trouble.error


async def test_work_that_ends_by_itself_is_no_trouble(work: Background, pauses: Pauses) -> None:
    ended = asyncio.Event()

    async def short() -> None:
        ended.set()

    work.keep(short, "short")
    await asyncio.wait_for(ended.wait(), WAIT)
    await work.aclose()
    assert (work.troubles(), pauses) == ([], [])


async def test_errand_under_way_may_end_before_the_process_does(work: Background) -> None:
    go_on, done = asyncio.Event(), asyncio.Event()

    async def errand() -> None:
        await go_on.wait()
        done.set()

    work.once(errand(), "an errand")
    closing = asyncio.create_task(work.aclose())
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait_for(closing, WAIT)
    assert done.is_set()
