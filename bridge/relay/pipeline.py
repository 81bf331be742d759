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
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from functools import partial

from bridge.backends.client import did_not_answer
from bridge.ids import mint
from bridge.keys import authentication
from bridge.keys.authentication import Caller, KeyEndedError
from bridge.relay import budget
from bridge.relay.attempt import OpenReply, UpstreamRequest
from bridge.relay.exchange import Call, Exchange, Head
from bridge.relay.judging import verdicts
from bridge.relay.parts import STARTING, RelayParts
from bridge.relay.prepare import (
    RoutedRequest,
    read,
    request_traits,
    results_without_calls,
    route_request,
    wait_for_lists,
)
from bridge.relay.pump import pump, to_bytes
from bridge.routing import resolve
from bridge.translation import web_search
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode
from bridge.translation.request.purpose import RequestPurpose, read_purpose
from bridge.translation.request.schema import MessagesRequest
from bridge.translation.response import events
from bridge.translation.response.events import PING, Event
from bridge.translation.response.fold import Fold, fold
from bridge.translation.response.message_stream import MessageStream
from bridge.translation.tokens import estimate

logger = logging.getLogger(__name__)

AT_CAPACITY = "Gateway is at capacity"
INTERNAL = "Internal gateway error"
NO_SEARCH = "answered by the gateway: there is no search engine"
JSON_HEADERS = {"content-type": "application/json"}
STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",
}

Part = Head | bytes


async def relay(parts: RelayParts, call: Call) -> AsyncGenerator[Part]:
    """Answer one POST /v1/messages: a head, then the body in pieces."""
    exchange = Exchange(parts, call)
    parts.exchanges.add(exchange)
    try:
        async with aclosing(await _road(exchange)) as pieces:
            async for piece in pieces:
                yield piece
    except ApiError as error:
        async for part in _refused(exchange, await _explained(exchange, error)):
            yield part
    except Exception:  # the outermost guard of a request
        logger.exception("%s: %s", call.request_id, INTERNAL)
        async for part in _refused(exchange, ApiError(500, INTERNAL)):
            yield part
    finally:
        parts.exchanges.discard(exchange)
        await exchange.settle()


async def _road(exchange: Exchange) -> AsyncGenerator[Part]:
    """Up to the answer, which is still to be taken. Raises ApiError."""
    parts, call, record = exchange.parts, exchange.call, exchange.record
    if call.fault is not None and call.fault.message == STARTING:
        raise call.fault  # it was waited for already
    await parts.ready()
    _check_capacity(parts)
    caller = _authenticated(exchange)
    if call.fault is not None:
        raise call.fault
    request = await read(call.body, parts.limits)
    record.asked_model, record.streamed = request.model, request.stream
    purpose = read_purpose(call.headers, request.size, has_tools=bool(request.tools))
    record.serves(purpose)
    authentication.check_model(caller, request.model)
    routed = await _routed(exchange, caller, request, purpose)
    authentication.check_model(caller, request.model, routed.route.name)
    route = budget.countable(routed.route, parts.snapshot.prices, caller.issued, request.model)
    if route is not routed.route:
        routed = replace(routed, route=route)
    if parts.settings.server_tools == "auto" and web_search.only_searches(request):
        await exchange.read_budget()
        return _not_searched(exchange, routed)
    return await _relayed(exchange, routed, request)


async def _routed(
    exchange: Exchange, caller: Caller, request: MessagesRequest, purpose: RequestPurpose
) -> RoutedRequest:
    """Where this request goes, by its model's name and by what it is for. Raises ApiError."""
    parts, call = exchange.parts, exchange.call
    traits = await request_traits(parts, request, purpose)
    sticky = parts.sessions.sticky(
        caller.fingerprint, call.session, compacted=bool(purpose.compacted)
    )
    await wait_for_lists(parts, request.model, caller, sticky, traits)
    return route_request(
        parts,
        request,
        caller,
        call.request_id,
        call.session,
        exchange.record.client,
        sticky=sticky,
        traits=traits,
        agent_id=purpose.agent_id,
    )


async def _relayed(
    exchange: Exchange, routed: RoutedRequest, request: MessagesRequest
) -> AsyncGenerator[Part]:
    """The answer of a backend, or one that needs none of it."""
    outgoing = await exchange.choose_target(routed)
    await exchange.reserve(routed, outgoing)
    if request.max_tokens == 0:
        return _warmed_up(exchange, routed, outgoing)
    exchange.judging = verdicts.begin(exchange, routed)
    return _streamed(exchange, outgoing) if request.stream else _plain(exchange)


def _authenticated(exchange: Exchange) -> Caller:
    """Who calls, on record also when its key is good no more. Raises ApiError."""
    parts, call = exchange.parts, exchange.call
    snapshot = parts.snapshot
    if call.caller is not None:
        exchange.identified(call.caller)
        return call.caller
    try:
        caller = authentication.identify(
            call.headers, snapshot.keys, parts.keys, parts.clocks.wall()
        )
    except KeyEndedError as error:
        exchange.belongs_to(error.issued)
        raise
    exchange.identified(caller)
    authentication.admit(caller, parts.keys, snapshot.operator_key_in_use, call.address)
    authentication.check_address(caller, call.client)
    return caller


def _check_capacity(parts: RelayParts) -> None:
    if 0 < parts.settings.max_in_flight < len(parts.exchanges):
        raise ApiError(529, AT_CAPACITY, retry_after=1)


async def _plain(exchange: Exchange) -> AsyncGenerator[Part]:
    """One JSON reply: the stream, folded."""
    timeout = exchange.longest_wait
    try:
        async with asyncio.timeout(timeout):
            opened, folding = await _folded(exchange)
    except TimeoutError:
        raise did_not_answer(timeout) from None
    if opened.answer.error is not None:
        raise opened.answer.error
    message = folding.message
    exchange.answered(opened.answer)
    if (judging := exchange.judging) is not None:
        judging.conclude(opened.answer.stop_reason)
        async for _ in judging.wait(exchange.parts.settings.ping_interval):
            pass  # a plain reply has no pings
        message.safeguard_results = judging.results()
    await exchange.account()
    for part in _document(exchange, 200, JSON_HEADERS, encode(message)):
        yield part


async def _folded(exchange: Exchange) -> tuple[OpenReply, Fold]:
    """The whole answer. Raises ApiError where it never began."""
    opened, folding = await exchange.open(), Fold()
    async with aclosing(_batches(opened, exchange)) as batches:
        async for batch in batches:
            folding.feed(batch)
            if exchange.sample is not None:
                exchange.sample.add(batch)
    return opened, folding


def _batches(opened: OpenReply, exchange: Exchange) -> AsyncGenerator[list[Event]]:
    """All events of an answer; an empty list is a ping. A judge sees its calls on the way."""
    parts = exchange.parts
    return pump(opened, parts.settings, parts.clocks.steady, exchange.judging)


async def _streamed(exchange: Exchange, outgoing: UpstreamRequest) -> AsyncGenerator[Part]:
    """Server-sent events. A failure before the first one is raised, for a reply with a status."""
    opening, parts = exchange.start(), exchange.parts
    await exchange.wait_for_headers(opening)
    early: list[Event] = []
    if opening.done():
        await exchange.reply(opening)
    else:
        early = MessageStream(outgoing.options).open()
    yield exchange.head(200, STREAM_HEADERS)
    if early:
        yield to_bytes(early)
        async for ping in _pings_until(opening, parts.settings.ping_interval):
            yield ping
    opened = await exchange.reply(opening)
    async with aclosing(_shown(exchange, opened, len(early))) as pieces:
        async for piece in pieces:
            yield piece


async def _shown(exchange: Exchange, opened: OpenReply, sent: int) -> AsyncGenerator[bytes]:
    """The answer, less the first events that were `sent` before it began."""
    opened.answer.writes = exchange.sample is None and exchange.judging is None
    async with AsyncExitStack() as stack:
        batches = await stack.enter_async_context(aclosing(_batches(opened, exchange)))
        async for batch in batches:
            if len(batch) == 1 and isinstance(more := batch[0], events.Written):
                yield more.frames
                continue
            if exchange.sample is not None:
                exchange.sample.add(batch)
            shown = batch[sent:] if batch is opened.events else batch
            if opened.answer.over:
                last = aclosing(_last(exchange, opened, shown))
                async for piece in await stack.enter_async_context(last):
                    yield piece
            elif shown or batch is not opened.events:
                yield to_bytes(shown)


async def _last(exchange: Exchange, opened: OpenReply, batch: list[Event]) -> AsyncGenerator[bytes]:
    """The last batch. Before it goes out its calls are judged and everything is settled."""
    exchange.answered(opened.answer)
    judging = exchange.judging
    if judging is not None and opened.answer.error is None:
        judging.conclude(opened.answer.stop_reason)
        calls, batch = events.at_its_end(batch)
        if calls:
            yield to_bytes(calls)
        async with aclosing(judging.wait(exchange.parts.settings.ping_interval)) as pings:
            async for _ in pings:
                yield PING
        batch = events.with_safeguard_results(batch, judging.results())
    await exchange.account()
    if batch:
        yield to_bytes(batch)


async def _pings_until(opening: asyncio.Task[object], interval: float) -> AsyncGenerator[bytes]:
    """Pings, as long as the backend sends nothing."""
    while not opening.done():
        await asyncio.wait({opening}, timeout=interval)
        if not opening.done():
            yield to_bytes([])


async def _warmed_up(
    exchange: Exchange, routed: RoutedRequest, outgoing: UpstreamRequest
) -> AsyncGenerator[Part]:
    """`max_tokens: 0` asks to warm a cache and generate nothing: answered here."""
    # The client gets what the prompt would count, but no backend was asked: nothing is spent.
    usage = events.Usage(outgoing.chat.prompt_tokens, 0)
    shell = events.Message(outgoing.options.message_id, routed.request.model, usage)
    end = events.MessageDelta(events.Stop("max_tokens"), usage)
    answer_events: list[Event] = [
        events.MessageStart(shell),
        events.Ping(),
        end,
        events.MessageStop(),
    ]
    async for part in _answered_here(exchange, routed, answer_events, "max_tokens"):
        yield part


async def _not_searched(exchange: Exchange, routed: RoutedRequest) -> AsyncGenerator[Part]:
    """A request for nothing but a web search, which no backend can make."""
    request, record = routed.request, exchange.record
    record.route, record.alias = (*routed.route.steps, NO_SEARCH), routed.route.alias
    prompt = estimate(request.size, 0)
    answer_events = web_search.message_events(request, routed.message_id, mint, prompt)
    async for part in _answered_here(exchange, routed, answer_events, "end_turn"):
        yield part


async def _answered_here(
    exchange: Exchange, routed: RoutedRequest, answer_events: list[Event], stop_reason: str
) -> AsyncGenerator[Part]:
    """A whole answer of the gateway's own."""
    if results := results_without_calls(exchange.parts.settings, routed):
        answer_events = events.with_safeguard_results(answer_events, results)
    exchange.record.status, exchange.record.stop_reason = 200, stop_reason
    await exchange.account()
    if routed.request.stream:
        yield exchange.head(200, STREAM_HEADERS)
        yield to_bytes(answer_events)
    else:
        for part in _document(exchange, 200, JSON_HEADERS, encode(fold(answer_events))):
            yield part


async def _explained(exchange: Exchange, error: ApiError) -> ApiError:
    """A backend that does not know the model: read its list again, and say what there is.

    Where the list still names the model, it is the backend's words that explain its answer.
    """
    outgoing = exchange.outgoing
    if error.status != 404 or outgoing is None or exchange.head_sent:
        return error
    await exchange.parts.discovery.recheck(outgoing.target.backend, outgoing.key)
    routes = exchange.parts.snapshot.routes
    backend = routes.backend(outgoing.target.backend.name)
    if backend is not None and outgoing.target.model in (backend.models or {}):
        said = f" ({error.backend_text})" if error.backend_text else ""
        return ApiError(404, f"{error.message}{said}")
    allows = partial(authentication.may_use, exchange.caller) if exchange.caller else None
    return resolve.unknown_model(routes, outgoing.error_context.model, allows)


async def _refused(exchange: Exchange, error: ApiError) -> AsyncGenerator[Part]:
    """The error as a reply, or as an event when the answer has begun."""
    exchange.failed(error)
    await exchange.account()
    if exchange.head_sent:
        yield to_bytes([events.Error.of(error, exchange.call.request_id)])
        return
    headers = JSON_HEADERS | error.reply_headers()
    for part in _document(exchange, error.status, headers, error.body(exchange.call.request_id)):
        yield part


def _document(
    exchange: Exchange, status: int, headers: dict[str, str], body: bytes
) -> Iterator[Part]:
    yield exchange.head(status, headers | {"content-length": str(len(body))})
    yield body
