"""Targets that come last for a while: rests after a 429, and hosts that cannot be reached."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.backends.client import BackendClient
from bridge.backends.health import BREAKER_OPEN
from bridge.ledger.record import Record
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA, Clock
from tests.bridge.pairs import GOOD, LISTED, change, failures, well, with_main
from tests.bridge.ports import closed_port, deaf_port, no_descriptor_left
from tests.bridge.roads import answer_to, call, send
from tests.fakes.backend import ALPHA, FakeBackend

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


@pytest.fixture
def clock(pair: Gateway) -> Clock:
    pair.health.clock = clock = Clock()
    return clock


# --- rests --------------------------------------------------------------------------------------


@BOTH
async def test_target_that_asked_to_wait_is_left_alone_until_then(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock, stream: bool
) -> None:
    """Else every request costs a round trip more, and providers count it."""
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"}).answer(*GOOD)
    for _ in range(10):
        assert well(await send(pair, stream=stream), stream)
    assert (len(backend.calls), len(spare.calls)) == (1, 10)
    clock.advance(600.0)
    assert well(await send(pair, stream=stream), stream)
    assert (len(backend.calls), len(spare.calls)) == (2, 10)
    assert failures(pair) == [0, 0]


async def test_rest_is_noted_on_the_record(
    pair: Gateway, backend: FakeBackend, clock: Clock, records: list[Record]
) -> None:
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"})
    await send(pair)
    clock.advance(100.0)
    await send(pair)
    assert records[1].route == (*LISTED, "main: asked to wait for 500 s")
    assert (records[1].backend, records[1].attempts) == ("spare", 1)


async def test_rest_is_for_one_model(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock
) -> None:
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"})
    await send(pair)
    assert (await send(pair, model=BETA)).status == 200
    assert [made.model for made in backend.calls] == [ALPHA, BETA]


async def test_rest_of_a_callers_own_key_is_for_this_caller(
    pair: Gateway, backend: FakeBackend, clock: Clock
) -> None:
    """Its quota says nothing of the keys of others."""
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"}).answer(*GOOD)
    await send(pair)
    other = call(headers={"x-api-key": "cpk_of_somebody_else"})
    assert (await answer_to(pair, other)).status == 200
    assert len(backend.calls) == 2
    await send(pair)
    assert len(backend.calls) == 2


async def test_rest_of_the_operators_key_is_for_all_callers(
    pair: Gateway, backend: FakeBackend, clock: Clock
) -> None:
    with_main(pair, key="cpk_operators")
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"})
    await send(pair)
    await answer_to(pair, call(headers={"x-api-key": "cpk_of_somebody_else"}))
    assert len(backend.calls) == 1


async def test_rest_is_capped(pair: Gateway, backend: FakeBackend, clock: Clock) -> None:
    pair.health.rest_max = 60.0
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "86400"}).answer(*GOOD)
    await send(pair)
    clock.advance(60.0)
    await send(pair)
    assert len(backend.calls) == 2


@pytest.mark.parametrize("others", ["none", "closed to requests"])
async def test_resting_target_is_asked_where_no_other_may_be(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock, others: str
) -> None:
    """It may have changed its mind, and a refusal is the true answer."""
    main, other = pair.snapshot.routes.backends
    left = (main,) if others == "none" else (main, replace(other, breaker="open"))
    change(pair, backends=left)
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"}).answer(*GOOD)
    assert (await send(pair)).error == (429, "rate_limit_error", "slow down")
    assert (await send(pair)).status == 200
    assert (len(backend.calls), spare.calls) == (2, [])


async def test_resting_target_is_the_last_resort(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock
) -> None:
    """A provider may name an hour and be back in a minute."""
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"}).answer(*GOOD)
    await send(pair)
    spare.on(ALPHA).error(500, "boom")
    assert (await send(pair)).status == 200
    assert failures(pair) == [0, 1]


async def test_refusal_of_a_last_resort_is_no_news(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock, records: list[Record]
) -> None:
    """The client may try the failed one again at once, and need not wait for the other."""
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "600"})
    await send(pair)
    spare.on(ALPHA).error(500, "boom")
    assert (await send(pair)).error == (500, "api_error", "Backend error: boom")
    assert records[1].route[2:] == (
        "main: asked to wait for 600 s",
        "spare: Backend error: boom",
        "main: slow down",
    )
    assert failures(pair) == [0, 1]


async def test_unreachable_target_is_no_last_resort_after_a_failure(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """Nobody waits for a connection timeout to hear of an error that is known. And where there is
    no other to go to, the one that is left gets its second chance."""
    pair.health.reached(pair.snapshot.routes.backends[0], False)
    spare.on(ALPHA).error(503, "loading").error(500, "boom")
    assert (await send(pair)).error == (500, "api_error", "Backend error: boom")
    assert (backend.calls, len(spare.calls)) == ([], 2)


async def test_used_up_quota_with_a_time_rests_too(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, clock: Clock
) -> None:
    backend.on(ALPHA).error(429, "insufficient_quota", {"retry-after": "600"})
    for _ in range(3):
        assert (await send(pair)).status == 200
    assert (len(backend.calls), len(spare.calls)) == (1, 3)


# --- quota that is told as a 403 ----------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    "said",
    [
        "insufficient_user_quota",
        "user quota is not enough",
        "pre_consume_token_quota_failed",
        "用户额度不足, 剩余额度: ＄0.000000",
        "Your account balance is too low",
        "no credits left",
    ],
)
async def test_forbidden_for_lack_of_money_leads_on(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend, stream: bool, said: str
) -> None:
    """The operator's account is empty there; the caller has done nothing wrong."""
    with_main(pair, key="cpk_operators")
    backend.on(ALPHA).error(403, said)
    assert well(await send(pair, stream=stream), stream)
    assert (len(backend.calls), len(spare.calls)) == (1, 1)


async def test_forbidden_for_another_reason_does_not(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    with_main(pair, key="cpk_operators")
    backend.on(ALPHA).error(403, "Your request was flagged by moderation")
    assert (await send(pair)).status == 403
    assert spare.calls == []


# --- hosts that cannot be reached ---------------------------------------------------------------


@pytest.fixture
async def hasty(pair: Gateway) -> BackendClient:
    """A client that gives a connection up after a moment; the gateway closes it."""
    await pair.upstream.aclose()
    pair.upstream = pair.relay.upstream = BackendClient(connect_timeout=0.05)
    return pair.upstream


@BOTH
async def test_host_that_swallows_packets_is_left_after_the_first_time(
    pair: Gateway, hasty: BackendClient, records: list[Record], stream: bool
) -> None:
    with deaf_port() as port:
        with_main(pair, url=f"http://127.0.0.1:{port}/v1")
        for _ in range(3):
            assert well(await send(pair, stream=stream), stream)
    assert [record.attempts for record in records] == [2, 1, 1]
    timed_out = "main: Backend connection timed out (no answer to the connection attempt)"
    assert records[0].route == (*LISTED, timed_out)
    assert records[1].route == (*LISTED, "main: not reachable when last tried")
    assert failures(pair) == [1, 0]


async def test_what_discovery_knows_counts(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """It was the first to meet the silence, so no request has to."""
    main = pair.snapshot.routes.backends[0]
    pair.health.reached(main, False)
    assert (await send(pair)).status == 200
    assert (backend.calls, len(spare.calls)) == ([], 1)
    pair.health.reached(main, True)
    assert (await send(pair)).status == 200
    assert (len(backend.calls), len(spare.calls)) == (1, 1)


async def test_sole_backend_is_asked_although_it_was_not_reachable(
    engine: Gateway, backend: FakeBackend
) -> None:
    """And one answer is proof enough."""
    main = engine.snapshot.routes.backends[0]
    engine.health.reached(main, False)
    assert (await send(engine)).status == 200
    assert engine.health.of(main).reachable is True


async def test_connection_that_timed_out_is_not_waited_for_twice(
    pair: Gateway, hasty: BackendClient, records: list[Record]
) -> None:
    with deaf_port() as port:
        with_main(pair, url=f"http://127.0.0.1:{port}/v1")
        change(pair, backends=pair.snapshot.routes.backends[:1])
        assert (await send(pair)).status == 504
    assert (records[0].attempts, records[0].remedies) == (1, [])
    assert records[0].cause == "no answer to the connection attempt"


async def test_all_out_of_use_is_the_refusal_of_the_first(
    pair: Gateway, backend: FakeBackend, spare: FakeBackend
) -> None:
    """The one that was put off is looked at last, and is closed as well."""
    main, other = pair.snapshot.routes.backends
    change(pair, backends=(replace(main, breaker="open"), replace(other, breaker="open")))
    pair.health.reached(pair.snapshot.routes.backends[0], False)
    assert (await send(pair)).error == (529, "overloaded_error", BREAKER_OPEN)
    assert backend.calls == spare.calls == []


# --- causes and shortages -----------------------------------------------------------------------


@BOTH
async def test_cause_is_on_the_record_and_not_in_the_reply(
    engine: Gateway, records: list[Record], stream: bool
) -> None:
    with closed_port() as port:
        with_main(engine, url=f"http://127.0.0.1:{port}/v1")
        answer = await send(engine, stream=stream)
    assert answer.error == (502, "api_error", "Could not reach the backend")
    assert b"refused" not in answer.body
    assert (records[0].error, records[0].cause) == (answer.error[2], "connection refused")


@BOTH
async def test_gateway_without_descriptors_opens_no_breaker(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """Else one client that opens many connections closes the gateway for all."""
    await send(engine)  # what is imported late needs files
    with_main(engine, url=backend.base_url.replace("127.0.0.1", "localhost") + "/v1")
    with no_descriptor_left():
        answers = [await send(engine, stream=stream) for _ in range(6)]
    for answer in answers:
        assert answer.error[:2] == (529, "overloaded_error")
        assert answer.error[2].endswith("Too many open files")
        assert answer.head.headers["retry-after"] == "5"
    assert failures(engine) == [0]
    assert (await send(engine)).status == 200
