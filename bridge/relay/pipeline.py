"""The road of one request, top to bottom.

    who calls -> what is asked -> where to -> may we -> translate -> send -> pump -> settle

`relay` is one async generator: first a `Head`, then bytes, which any ASGI server only iterates.
Before the first byte everything that goes wrong is an ordinary reply with its status; after it, an
``error`` event. Whatever happens, also when the client leaves, `finally` settles health and usage
and closes the backend connection, which stops the backend's work.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing

from django.conf import settings

from bridge.backends.client import did_not_answer
from bridge.keys import authentication
from bridge.relay.attempt import OpenReply, UpstreamRequest
from bridge.relay.exchange import Call, Exchange, Head
from bridge.relay.prepare import make_plan
from bridge.relay.pump import pump, to_bytes
from bridge.routing import resolve
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode
from bridge.translation.request.schema import MessagesRequest, read_request
from bridge.translation.response import events
from bridge.translation.response.events import Event
from bridge.translation.response.fold import fold
from bridge.translation.response.message_stream import MessageStream

logger = logging.getLogger(__name__)

AT_CAPACITY = "Gateway is at capacity"
INTERNAL = "Internal gateway error"
JSON_HEADERS = {"content-type": "application/json"}
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}

Part = Head | bytes


async def relay(gateway: Gateway, call: Call) -> AsyncGenerator[Part]:
    """Answer one POST /v1/messages: a head, then the body in pieces."""
    journey = Exchange(gateway, call)
    gateway.journeys.add(journey)
    try:
        async with aclosing(_road(journey)) as parts:
            async for part in parts:
                yield part
    except ApiError as error:
        async for part in _refused(journey, await _explained(journey, error)):
            yield part
    except Exception:  # the outermost guard of a request
        logger.exception("%s: %s", call.request_id, INTERNAL)
        async for part in _refused(journey, ApiError(500, INTERNAL)):
            yield part
    finally:
        gateway.journeys.discard(journey)
        await journey.settle()


async def _road(journey: Exchange) -> AsyncGenerator[Part]:
    gateway, call, record = journey.gateway, journey.call, journey.record
    await gateway.ready()
    _check_capacity(gateway)
    caller = authentication.identify(call.headers, gateway.snapshot.keys, gateway.keys, time.time())
    journey.identified(caller)
    authentication.admit(caller, gateway.keys, gateway.snapshot.operator_key_in_use, call.address)
    if call.fault is not None:
        raise call.fault
    request = read_request(call.body, gateway.limits)
    record.asked_model, record.streamed = request.model, request.stream
    authentication.check_model(caller, request.model)
    await gateway.discovery.prepare(caller.secret)
    plan = make_plan(gateway, request, caller, call.request_id, call.session)
    order = await journey.admitted(plan)
    await journey.counted_in(order.chat.prompt_tokens)
    if request.max_tokens == 0:
        answer = _warmed_up(journey, order, request)
    else:
        answer = _streamed(journey, order) if request.stream else _plain(journey)
    async with aclosing(answer) as parts:
        async for part in parts:
            yield part


def _check_capacity(gateway: Gateway) -> None:
    if 0 < settings.MAX_IN_FLIGHT < len(gateway.journeys):
        raise ApiError(529, AT_CAPACITY, retry_after=1)


async def _plain(journey: Exchange) -> AsyncGenerator[Part]:
    """One JSON reply: the stream, folded."""
    timeout = journey.longest_wait
    try:
        async with asyncio.timeout(timeout):
            opened = await journey.open()
            said = opened.events + [event async for batch in pump(opened) for event in batch]
    except TimeoutError:
        raise did_not_answer(timeout) from None
    if opened.answer.machine.error is not None:
        raise opened.answer.machine.error
    message = fold(said)
    journey.answered(opened.answer)
    if journey.sample is not None:
        journey.sample.add(said)
    await journey.account()
    for part in _document(journey, 200, JSON_HEADERS, encode(message)):
        yield part


async def _streamed(journey: Exchange, order: UpstreamRequest) -> AsyncGenerator[Part]:
    """Server-sent events. A failure before the first one is raised, for a reply with a status."""
    opening = journey.begin()
    await journey.grace(opening)
    early: list[Event] = []
    if opening.done():
        await journey.opened(opening)
    else:
        early = MessageStream(order.terms).open()
    yield journey.head(200, STREAM_HEADERS)
    if early:
        yield to_bytes(early)
        async for ping in _pings_until(opening):
            yield ping
    opened = await journey.opened(opening)
    await _over(journey, opened, opened.events)
    if shown := opened.events[len(early) :]:
        yield to_bytes(shown)
    async with aclosing(pump(opened)) as batches:
        async for batch in batches:
            await _over(journey, opened, batch)
            yield to_bytes(batch)


async def _over(journey: Exchange, opened: OpenReply, batch: list[Event]) -> None:
    """Before a batch goes out: when it is the last one, everything is settled first."""
    if journey.sample is not None:
        journey.sample.add(batch)
    if opened.answer.over:
        journey.answered(opened.answer)
        await journey.account()


async def _pings_until(opening: asyncio.Task[object]) -> AsyncGenerator[bytes]:
    """The client is told that somebody is there, as long as the backend says nothing."""
    while not opening.done():
        await asyncio.wait({opening}, timeout=settings.PING_INTERVAL)
        if not opening.done():
            yield to_bytes([])


async def _warmed_up(
    journey: Exchange, order: UpstreamRequest, request: MessagesRequest
) -> AsyncGenerator[Part]:
    """`max_tokens: 0` asks to warm a cache and generate nothing: answered here."""
    # The client is told what the prompt would count, but no backend was asked: nothing is spent.
    usage = events.Usage(order.chat.prompt_tokens, 0)
    shell = events.Message(order.terms.message_id, request.model, usage)
    end = events.MessageDelta(events.Stop("max_tokens"), usage)
    said: list[Event] = [events.MessageStart(shell), events.Ping(), end, events.MessageStop()]
    journey.record.status, journey.record.stop_reason = 200, "max_tokens"
    await journey.account()
    if request.stream:
        yield journey.head(200, STREAM_HEADERS)
        yield to_bytes(said)
    else:
        for part in _document(journey, 200, JSON_HEADERS, encode(fold(said))):
            yield part


async def _explained(journey: Exchange, error: ApiError) -> ApiError:
    """A backend that does not know the model: read its list again, and say what there is."""
    order = journey.order
    if error.status != 404 or order is None or journey.head_sent:
        return error
    await journey.gateway.discovery.recheck(order.target.backend, order.key)
    return resolve.unknown_model(journey.gateway.snapshot.routes, order.asked.model)


async def _refused(journey: Exchange, error: ApiError) -> AsyncGenerator[Part]:
    """The error as a reply, or as an event when the answer has begun."""
    journey.failed(error)
    await journey.account()
    if journey.head_sent:
        body = events.ErrorBody(error.stream_type, error.message)
        yield to_bytes([events.Error(body, journey.call.request_id)])
        return
    headers = JSON_HEADERS | error.reply_headers()
    for part in _document(journey, error.status, headers, error.body(journey.call.request_id)):
        yield part


def _document(
    journey: Exchange, status: int, headers: dict[str, str], body: bytes
) -> Iterator[Part]:
    yield journey.head(status, headers | {"content-length": str(len(body))})
    yield body
