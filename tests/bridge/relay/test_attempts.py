"""What goes on record of each call of a backend: docs/reference/usage-records.md, Attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bridge import attempts
from bridge.attempts import AttemptRecord
from bridge.ledger.record import Record
from bridge.outcomes import ABANDONED
from bridge.runtime.gateway import Gateway
from tests.bridge.pairs import GOOD, well, with_main
from tests.bridge.ports import closed_port
from tests.bridge.roads import begin, call, piece, rest, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, role, text
from tests.fakes.replies import Gate
from tests.fakes.script import Script

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
SECRET = "gwk_abcdefghijklmnop1234567890"

FAILURES: dict[str, tuple[Callable[[Script], object], tuple[str, int, str]]] = {
    "500": (lambda s: s.error(500, "boom"), (attempts.SERVER_ERROR, 500, "boom")),
    "503": (lambda s: s.error(503, "loading"), (attempts.SERVER_ERROR, 503, "loading")),
    "404": (
        lambda s: s.error(404, f"The model `{ALPHA}` does not exist."),
        (attempts.REFUSED, 404, f"The model `{ALPHA}` does not exist."),
    ),
    "429": (lambda s: s.error(429, "slow down"), (attempts.REFUSED, 429, "slow down")),
    "no words": (lambda s: s.json({}, 500), (attempts.SERVER_ERROR, 500, "")),
    "a key in its words": (
        lambda s: s.error(500, f"no {SECRET} for you"),
        (attempts.SERVER_ERROR, 500, "no [redacted] for you"),
    ),
    "many words": (
        lambda s: s.error(500, "so " * 400),
        (attempts.SERVER_ERROR, 500, ("so " * 400)[: attempts.MAX_TEXT]),
    ),
    "hangs up": (
        lambda s: s.drop(),
        (attempts.BROKEN, 0, "connection was closed without a reply"),
    ),
    "fails in its first chunk": (
        lambda s: s.stream(role(), failure("overloaded", 503)),
        (attempts.BROKEN, 200, "overloaded"),
    ),
    "ends before its first word": (
        lambda s: s.stream(role(), done=False),
        (attempts.BROKEN, 200, ""),
    ),
}


def came_to(attempt: AttemptRecord) -> tuple[str, int, str]:
    return attempt.kind, attempt.status, attempt.text


@BOTH
@pytest.mark.parametrize(("script", "wanted"), FAILURES.values(), ids=FAILURES)
async def test_attempt_that_fails_is_listed_with_what_the_backend_said(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    script: Callable[[Script], object],
    wanted: tuple[str, int, str],
    stream: bool,
) -> None:
    """And the one that answered behind it."""
    script(backend.on(ALPHA))
    assert well(await send(pair, stream=stream), stream)
    (record,) = records
    failed, answered = record.attempt_list
    assert (failed.backend, failed.model, failed.fell_back) == ("main", ALPHA, True)
    assert came_to(failed) == wanted
    assert (answered.backend, came_to(answered)) == ("spare", (attempts.ANSWERED, 200, ""))
    assert not answered.fell_back
    assert 0 <= failed.began_ms <= answered.began_ms
    assert answered.headers_ms is not None and answered.headers_ms <= answered.took_ms
    assert record.attempts_made() == record.attempt_list


async def test_backend_that_cannot_be_reached_has_no_status(
    pair: Gateway, spare: FakeBackend, records: list[Record]
) -> None:
    with closed_port() as port:
        with_main(pair, url=f"http://127.0.0.1:{port}/v1")
        assert (await send(pair)).status == 200
    failed = records[0].attempt_list[0]
    assert came_to(failed) == (attempts.UNREACHABLE, 0, "connection refused")
    assert failed.headers_ms is None


@BOTH
@pytest.mark.parametrize(
    ("fields", "began", "status"),
    [({"timeout": 0.05}, False, 0), ({"idle": 0.05}, True, 200)],
    ids=["no headers", "no word"],
)
async def test_silence_is_an_attempt_that_timed_out(
    pair: Gateway,
    backend: FakeBackend,
    spare: FakeBackend,
    records: list[Record],
    fields: dict[str, float],
    began: bool,
    status: int,
    stream: bool,
) -> None:
    with_main(pair, **fields)
    script = backend.on(ALPHA)
    script.stream(role(), Gate()) if began else script.json({}, before=Gate())
    assert well(await send(pair, stream=stream), stream)
    assert came_to(records[0].attempt_list[0]) == (attempts.TIMED_OUT, status, "")


async def test_whole_answer_that_takes_too_long_timed_out(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    with_main(engine, timeout=0.2)
    backend.on(ALPHA).stream(role(), text("Hel"), Gate())
    assert (await send(engine)).status == 504
    (attempt,) = records[0].attempt_list
    assert came_to(attempt) == (attempts.TIMED_OUT, 200, "")


@BOTH
async def test_second_chance_is_an_attempt_and_no_fallback(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    backend.on(ALPHA).error(502, "blip").answer(*GOOD)
    assert (await send(engine, stream=stream)).status == 200
    first, second = records[0].attempt_list
    assert [a.kind for a in (first, second)] == [attempts.SERVER_ERROR, attempts.ANSWERED]
    assert not first.fell_back
    assert second.began_ms > first.began_ms


@BOTH
async def test_answer_that_breaks_after_its_first_word_is_a_failed_attempt(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], stream: bool
) -> None:
    """Nobody else is asked then."""
    backend.on(ALPHA).stream(role(), text("Hel"), failure("boom", 500))
    await send(pair, stream=stream)
    (record,) = records
    (attempt,) = record.attempt_list
    assert came_to(attempt) == (attempts.BROKEN, 200, "boom")
    assert (record.attempts, record.status >= 500, attempt.fell_back) == (1, True, False)


@BOTH
async def test_one_attempt_that_answered_leaves_no_list(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """It follows from the record."""
    assert (await send(engine, stream=stream)).status == 200
    (record,) = records
    (attempt,) = record.attempts_made()
    assert record.attempt_list == []
    assert (attempt.backend, came_to(attempt)) == ("main", (attempts.ANSWERED, 200, ""))
    assert attempt.headers_ms is not None and attempt.headers_ms <= attempt.took_ms


async def test_client_that_leaves_ends_the_only_attempt(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    backend.on(ALPHA).stream(role(), text("Hello there"), Gate())
    _, parts = await begin(engine, call(stream=True))
    await piece(parts)
    await parts.aclose()
    (record,) = records
    assert (record.status, record.attempt_list) == (ABANDONED, [])
    assert [came_to(a) for a in record.attempts_made()] == [(attempts.ABANDONED, 200, "")]


async def test_client_that_leaves_the_second_target_is_listed_behind_the_first(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record]
) -> None:
    gate = Gate()
    backend.on(ALPHA).error(500, "boom")
    spare.on(ALPHA).json({}, before=gate)
    asking = asyncio.create_task(send(pair))
    await asyncio.to_thread(gate.wait_reached)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    listed = [(a.backend, *came_to(a)) for a in records[0].attempt_list]
    assert listed == [
        ("main", attempts.SERVER_ERROR, 500, "boom"),
        ("spare", attempts.ABANDONED, 0, ""),
    ]


async def test_gateway_that_ends_is_no_failure_of_the_backend(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    backend.on(ALPHA).stream(role(), text("Hel"), Gate())
    _, parts = await begin(engine, call(stream=True))
    await piece(parts)
    for exchange in engine.exchanges:
        exchange.interrupt()
    await rest(parts)
    (record,) = records
    assert record.status == 529
    assert [came_to(a) for a in record.attempt_list] == [(attempts.ABANDONED, 200, "")]


@pytest.mark.parametrize("fields", [{"breaker": "open"}, {"broken": "has no address"}])
async def test_target_that_is_passed_over_is_no_attempt(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, records: list[Record], fields: Any
) -> None:
    with_main(pair, **fields)
    assert (await send(pair)).status == 200
    assert [a.backend for a in records[0].attempts_made()] == ["spare"]


async def test_request_that_never_got_to_a_backend_has_none(
    engine: Gateway, records: list[Record]
) -> None:
    assert (await send(engine, model="nobody-knows-it")).status == 404
    assert records[0].attempts_made() == []
