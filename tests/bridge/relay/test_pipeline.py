"""The road of one request: what the client gets, whatever happens on the way."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bridge.ledger.record import Record
from bridge.routing.types import Alias, WeightedTarget
from bridge.runtime.gateway import Gateway
from tests.bridge.making import BETA, facts
from tests.bridge.roads import answer_to, breaker, call, configure, send
from tests.fakes.backend import ALPHA, MODELS, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.replies import Gate

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])


# --- good answers ------------------------------------------------------------------------------


async def test_plain_answer_is_one_document(engine: Gateway, backend: FakeBackend) -> None:
    answer = await send(engine)
    assert answer.status == 200
    assert answer.json["content"] == [{"type": "text", "text": "Hello"}]
    headers = answer.head.headers
    assert headers["content-type"] == "application/json"
    assert headers["content-length"] == str(len(answer.body))
    assert headers["x-gateway-model"] == ALPHA
    assert headers["request-id"].startswith("req_")


async def test_streamed_answer_is_events(engine: Gateway, backend: FakeBackend) -> None:
    """wire A3: headers of a stream."""
    answer = await send(engine, stream=True)
    assert answer.message["content"] == [{"type": "text", "text": "Hello"}]
    headers = answer.head.headers
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-length" not in headers


@BOTH
async def test_good_answer_is_recorded_and_settles_the_breaker(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """wire D6, last row; E2: a success resets."""
    breaker(engine).failed(0.0)
    await send(engine, stream=stream)
    (record,) = records
    assert (record.status, record.stop_reason, record.error_type) == (200, "end_turn", "")
    assert (record.input_tokens, record.output_tokens, record.estimated) == (5, 2, False)
    assert (record.backend, record.model, record.streamed) == ("main", ALPHA, stream)
    assert record.first_token_after is not None
    assert breaker(engine).failures == 0
    assert engine.exchanges == set()


@BOTH
@pytest.mark.parametrize("replied", ["as a stream", "as a document"])
async def test_answer_in_the_other_mode_is_as_good(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool, replied: str
) -> None:
    """wire B9: JSON although the request was for a stream, and the other way round."""
    breaker(engine).failed(0.0)
    if replied == "as a stream":
        backend.on(ALPHA).stream(*GOOD)
    else:
        message = {"role": "assistant", "content": "Hello"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        counts = {"prompt_tokens": 5, "completion_tokens": 2}
        backend.on(ALPHA).json({"choices": [choice], "usage": counts})
    answer = await send(engine, stream=stream)
    message = answer.message if stream else answer.json
    assert message["content"] == [{"type": "text", "text": "Hello"}]
    (record,) = records
    assert (record.status, record.stop_reason, record.output_tokens) == (200, "end_turn", 2)
    assert breaker(engine).failures == 0


@BOTH
async def test_no_tokens_asked_for_is_answered_here(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """wire C1, `max_tokens`: 0 is answered locally. F59."""
    answer = await send(engine, stream=stream, max_tokens=0)
    message = answer.message if stream else answer.json
    assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
    assert message["usage"]["input_tokens"] >= 1
    assert (backend.calls, records[0].status) == ([], 200)


async def test_dropped_fields_are_named(engine: Gateway, backend: FakeBackend) -> None:
    """wire C: `x-gateway-dropped`, names only."""
    answer = await send(engine, service_tier="auto", top_k=5)
    assert set(answer.head.headers["x-gateway-dropped"].split(",")) == {"service_tier", "top_k"}


async def test_model_name_cannot_break_a_header(engine: Gateway, backend: FakeBackend) -> None:
    """Ours: names of models come from backends and operators."""
    routes = engine.snapshot.routes
    alias = Alias("odd", (WeightedTarget("main", "mod\u00e8le\r\nx-evil: 1" + "y" * 2000),))
    engine.store.current = replace(engine.snapshot, routes=replace(routes, aliases=(alias,)))
    answer = await send(engine, model="odd")
    value = answer.head.headers["x-gateway-model"]
    assert value.isascii()
    assert value.isprintable()
    assert len(value) <= 1000


# --- refusals before the backend ---------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"raw": b"{"}, 400, "invalid_request_error"),
        ({"headers": {}}, 401, "authentication_error"),
        ({"headers": {"x-api-key": "gwk_x"}}, 401, "authentication_error"),
        ({"model": "nobody/knows"}, 404, "not_found_error"),
        ({"thread": {"id": "t"}}, 400, "invalid_request_error"),
    ],
)
async def test_refusal_is_a_reply_with_its_status(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    asked: dict[str, Any],
    status: int,
    kind: str,
    stream: bool,
) -> None:
    """wire E1; G12: errors before the first byte keep their status, in streams too."""
    answer = await answer_to(engine, call(**({} if "raw" in asked else {"stream": stream}) | asked))
    assert answer.error[:2] == (status, kind)
    assert answer.json["request_id"] == answer.head.headers["request-id"]
    assert answer.head.headers["content-length"] == str(len(answer.body))
    assert ("x-should-retry" in answer.head.headers) is (status in (401, 404))
    assert (records[0].status, records[0].error_type) == (status, kind)
    assert backend.calls == []


async def test_full_gateway_sends_away(engine: Gateway, backend: FakeBackend) -> None:
    """wire E1, too many requests in flight."""
    configure(engine, max_in_flight=1)
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    first = asyncio.create_task(send(engine))
    await asyncio.to_thread(gate.wait_reached)
    second = await send(engine, model=BETA)
    assert second.error == (529, "overloaded_error", "Gateway is at capacity")
    assert second.head.headers["retry-after"] == "1"
    gate.open()
    await first
    assert (await send(engine, model=BETA)).status == 200


async def test_open_breaker_is_told_without_a_call(engine: Gateway, backend: FakeBackend) -> None:
    """wire E1, breaker open; F114."""
    backend.on(ALPHA).error(500)
    for _ in range(5):
        assert (await send(engine)).status == 500
    answer = await send(engine, model=BETA)
    assert answer.error[:2] == (529, "overloaded_error")
    assert 1 <= int(answer.head.headers["retry-after"]) <= 30
    assert len(backend.calls) == 5


# --- refusals of the backend -------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("status", "ours", "kind", "failures"),
    [
        (400, 400, "invalid_request_error", 0),
        (401, 401, "authentication_error", 0),
        (402, 402, "billing_error", 0),
        (429, 429, "rate_limit_error", 0),
        (500, 500, "api_error", 1),
        (502, 502, "api_error", 1),
        (503, 529, "overloaded_error", 1),
    ],
)
async def test_refusal_of_the_backend_keeps_its_meaning(
    engine: Gateway,
    backend: FakeBackend,
    records: list[Record],
    status: int,
    ours: int,
    kind: str,
    failures: int,
    stream: bool,
) -> None:
    """wire E2, columns status and B; the record says the same."""
    backend.on(ALPHA).error(status)
    answer = await send(engine, stream=stream)
    assert answer.error[:2] == (ours, kind)
    assert (records[0].status, records[0].error_type) == (ours, kind)
    assert breaker(engine).failures == failures


async def test_unknown_model_of_the_backend_is_answered_with_a_fresh_list(
    engine: Gateway, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wire E2, 404 with model wording: refresh the model list once first."""
    backend.on(ALPHA).error(404, "The model `test/alpha` does not exist.")
    asked: list[str] = []

    async def recheck(_: object, backend: Any, key: str) -> None:
        asked.append(backend.name)
        routes = engine.snapshot.routes
        fresh = replace(routes.backends[0], models=facts(BETA))
        engine.store.current = replace(engine.snapshot, routes=replace(routes, backends=(fresh,)))

    monkeypatch.setattr(type(engine.discovery), "recheck", recheck)
    answer = await send(engine)
    assert answer.error[:2] == (404, "not_found_error")
    assert answer.error[2] == f"model: {ALPHA}\nAvailable models: {BETA}"
    assert asked == ["main"]
    assert backend.requests_for(MODELS) == []


async def test_plain_answer_has_a_time_limit_as_a_whole(
    engine: Gateway, backend: FakeBackend, records: list[Record]
) -> None:
    """wire E2, read timeout (non-stream); D8: bounded by the read timeout. R20."""
    routes = engine.snapshot.routes
    hasty = replace(routes.backends[0], timeout=0.05)
    engine.store.current = replace(engine.snapshot, routes=replace(routes, backends=(hasty,)))
    backend.on(ALPHA).stream(role(), text("He"), Gate())
    answer = await send(engine)
    assert answer.error == (504, "timeout_error", "Backend did not answer within 0.05 seconds")
    assert breaker(engine).failures == 1
    await asyncio.to_thread(backend.only_call.wait_left)
