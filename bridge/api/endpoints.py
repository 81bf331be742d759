"""The data plane's endpoints: plain ASGI callables, outside Django's request handling.

Each reads the request, calls one thing, and writes the answer. Every error leaves in the Anthropic
envelope with a request id, whatever the path.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain

from django.db import Error

from bridge.api import fresh_keys, picker
from bridge.api import models as report
from bridge.api.claude_code import managed_settings, telemetry, usage
from bridge.api.hosts import arrival_address
from bridge.api.metrics.access import check_access
from bridge.api.metrics.accounts import of_accounts, read_accounts
from bridge.api.metrics.attempts import of_attempts
from bridge.api.metrics.process import of_process
from bridge.api.metrics.served import of_ledger
from bridge.api.metrics.text import text
from bridge.api.own_usage import answer
from bridge.api.own_usage.question import question_of
from bridge.api.replies import fail, reply, start
from bridge.api.request_body import (
    ClientLeftError,
    Receive,
    Scope,
    Send,
    client_of,
    headers_of,
    read_body,
)
from bridge.configuration.access import policy_of
from bridge.ids import mint
from bridge.keys import authentication, decisions
from bridge.ledger.spending import spent_now
from bridge.places import FullError
from bridge.relay import budget, prepare
from bridge.relay.counting import count_tokens as counting
from bridge.relay.exchange import Call, Head
from bridge.relay.parts import RelayParts
from bridge.relay.pipeline import INTERNAL, JSON_HEADERS, relay
from bridge.runtime import gateway as gateways
from bridge.runtime.body_memory import Share
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON, encode
from bridge.translation.request.purpose import read_purpose

logger = logging.getLogger(__name__)

TOO_MANY_READS = "Too many questions of this key at once: wait for their answers"
UNREAD = "What was used cannot be read now"
RETRY_SECONDS = 5
UNSTORED = {"cache-control": "no-store"}
NOT_STORED = JSON_HEADERS | UNSTORED

Endpoint = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, JSON]
Handler = Callable[[Gateway, Call, Scope], Awaitable[Answer]]
Written = tuple[int, dict[str, str], bytes]
"""Status, headers and body."""
Writer = Callable[[Gateway, Call, Scope], Awaitable[Written]]


# --- reading ----------------------------------------------------------------------------------


def _head(scope: Scope, request_id: str) -> Call:
    """The request without its body."""
    headers = headers_of(scope)
    address = arrival_address(scope, headers)
    trust_forwarded = gateways.current().settings.access.trust_forwarded_proto
    client = client_of(scope, trust_forwarded)
    return Call(scope["path"], headers, b"", address, request_id, client=client)


async def _with_body(head: Call, receive: Receive, share: Share, most: int | None = None) -> Call:
    """The request with its body, which is received only from a caller with a key."""
    gateway = gateways.current()
    caller = await _admit(gateway, head)
    bodies = gateway.settings.bodies
    body = await read_body(head.headers, receive, share, bodies, most)
    return replace(head, body=body, caller=caller)


def _check_method(scope: Scope, *allowed: str) -> None:
    if scope["method"] not in allowed:
        raise ApiError(405, "Method not allowed", headers={"allow": ", ".join(allowed)})


def json_endpoint(handler: Handler, *methods: str) -> Endpoint:
    """An endpoint that answers one JSON document once the configuration is there."""

    async def write(gateway: Gateway, call: Call, scope: Scope) -> Written:
        await gateway.ready()
        status, document = await handler(gateway, call, scope)
        return status, JSON_HEADERS, encode(document)

    return whole_endpoint(write, *methods)


def whole_endpoint(write: Writer, *methods: str, most: int | None = None) -> Endpoint:
    """An endpoint that answers in one piece. HEAD is GET without the body.

    What takes nothing but POST reads a body, of `most` bytes; all others leave it unread.
    """
    reads = methods == ("POST",)

    async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = f"req_{mint()}"
        try:
            _check_method(scope, *methods)
            call = _head(scope, request_id)
            with gateways.current().body_memory.share() as share:
                call = await _with_body(call, receive, share, most) if reads else call
                status, headers, body = await write(gateways.current(), call, scope)
        except ApiError as error:
            await fail(send, error, request_id)
        except ClientLeftError:
            return
        except Exception:
            logger.exception("%s: %s", request_id, INTERNAL)
            await fail(send, ApiError(500, INTERNAL), request_id)
        else:
            body = b"" if scope["method"] == "HEAD" else body
            await reply(send, status, {**headers, "request-id": request_id}, body)

    return endpoint


async def _admit(gateway: Gateway, call: Call) -> authentication.Caller:
    """The caller, if /v1/messages would let it in; known already where a body was received."""
    if call.caller is not None:
        return call.caller
    await gateway.ready()
    await fresh_keys.wait(gateway, call.headers)
    snapshot = gateway.snapshot
    caller = authentication.identify(call.headers, snapshot.keys, gateway.keys, time.time())
    authentication.admit(caller, gateway.keys, snapshot.operator_key_in_use, call.address)
    authentication.check_address(caller, call.client)
    return caller


# --- POST /v1/messages ------------------------------------------------------------------------


async def messages(scope: Scope, receive: Receive, send: Send) -> None:
    """POST /v1/messages. The client's leaving is watched for while the answer is made."""
    request_id = f"req_{mint()}"
    try:
        _check_method(scope, "POST")
    except ApiError as error:
        await fail(send, error, request_id)
        return
    with gateways.current().body_memory.share() as share:
        call = _head(scope, request_id)
        try:
            call = await _with_body(call, receive, share)
        except ApiError as fault:  # on record like any other refusal
            call = replace(call, fault=fault)
        except ClientLeftError:
            return
        await _answer(call, receive, send)


async def _answer(call: Call, receive: Receive, send: Send) -> None:
    """Relay the request; stop when the client leaves."""
    task = asyncio.current_task()
    assert task is not None
    watcher = asyncio.get_running_loop().create_task(_cancel_when_left(receive, task))
    try:
        await _relay(call, send, watcher)
    except asyncio.CancelledError:
        if not watcher.done() or watcher.cancelled():
            raise
        task.uncancel()
    finally:
        watcher.cancel()


async def _relay(call: Call, send: Send, watcher: asyncio.Task[None]) -> None:
    """Write what the relay gives. The last message goes out when everything is settled."""
    async with aclosing(relay(gateways.current().relay, call)) as parts:
        async for part in parts:
            if isinstance(part, Head):
                await start(send, part.status, part.headers)
            else:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    # Servers tell a finished request "disconnected" too: from here on nobody shall listen.
    watcher.cancel()
    await send({"type": "http.response.body", "body": b""})


async def _cancel_when_left(receive: Receive, task: asyncio.Task[object]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    task.cancel()


# --- the others -------------------------------------------------------------------------------


async def _count_tokens(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    caller = await _admit(gateway, call)
    await counting.check_rate(gateway.relay, caller)
    async with counting.place(gateway.relay, len(call.body)):
        return 200, await _counted(gateway.relay, call, caller)


async def _counted(parts: RelayParts, call: Call, caller: authentication.Caller) -> JSON:
    request = await prepare.read(call.body, parts.limits, counting=True)
    authentication.check_model(caller, request.model)
    purpose = read_purpose(call.headers, request.size, has_tools=bool(request.tools))
    traits = await prepare.request_traits(parts, request, purpose)
    traits = replace(traits, must_fit=False)
    sticky = parts.sessions.sticky(caller.fingerprint, call.session)
    await prepare.wait_for_lists(parts, request.model, caller, sticky, traits)
    routed = prepare.route_request(
        parts,
        request,
        caller,
        call.request_id,
        call.session,
        call.headers.get("user-agent", ""),
        sticky=sticky,
        traits=traits,
    )
    authentication.check_model(caller, request.model, routed.route.name)
    target = routed.route.targets[0]
    chat = await prepare.translate(parts, routed, target)
    key, _ = authentication.credential(caller, target.backend, parts.keys)
    tokens = await counting.count_tokens(parts, target, chat, key)
    answer: dict[str, JSON] = {"input_tokens": tokens}
    if request.body.get("context_management") is not None:
        answer["context_management"] = {"original_input_tokens": answer["input_tokens"]}
    return answer


async def _models(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    caller = await _admit(gateway, call)
    await gateway.discovery.prepare_lists(partial(prepare.forwarded_key, gateway.relay, caller))
    query = scope["query_string"].decode("latin-1")
    snapshot = gateway.snapshot
    access = budget.access(caller, snapshot.prices)
    fills_picker = picker.is_meant(call.headers.get("user-agent", ""))
    prices = snapshot.prices if fills_picker else None
    return 200, await asyncio.to_thread(report.models, snapshot.routes, query, access, prices)


async def _model(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    caller = await _admit(gateway, call)
    name = scope["url_route"]["kwargs"]["name"]
    await prepare.wait_for_lists(gateway.relay, name, caller, call.session)
    snapshot = gateway.snapshot
    return 200, report.model(snapshot.routes, name, budget.access(caller, snapshot.prices))


async def _schemas(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    caller = await _admit(gateway, call)
    await gateway.discovery.prepare_lists(partial(prepare.forwarded_key, gateway.relay, caller))
    snapshot = gateway.snapshot
    access = budget.access(caller, snapshot.prices)
    return 200, await asyncio.to_thread(report.schemas, snapshot.routes, access)


async def _health(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    return report.health(gateway)


async def _metrics(gateway: Gateway, call: Call, scope: Scope) -> Written:
    check_access(gateway.settings.access, gateway.keys, call.headers, call.address)
    totals, attempts, accounts = await asyncio.gather(
        gateway.totals.current(), gateway.attempt_totals.current(), read_accounts(gateway)
    )
    of_memory = [*of_process(gateway, len(asyncio.all_tasks()))]
    of_rows = of_ledger(totals), of_attempts(attempts), of_accounts(accounts)
    metric_families = chain(of_memory, *of_rows)
    accept = call.headers.get("accept", "")
    # there the totals are gone through, and may be many
    body, content_type = await asyncio.to_thread(text, metric_families, accept)
    return 200, {"content-type": content_type}, body


async def _usage(gateway: Gateway, call: Call, scope: Scope) -> Written:
    """What is spent: by the counters of the limits, or by the ledger where there is no budget."""
    caller = await _admit(gateway, call)
    accounts = caller.issued.accounts if caller.issued else ()
    quotas = await gateway.limiter.quotas(accounts, gateway.relay.clocks.wall())
    if budgets := decisions.budgets_of(quotas):
        return 200, NOT_STORED, encode(usage.of_budgets(budgets))
    try:
        spender = usage.spender(caller)
        spent = await gateway.reads.read(spender, partial(spent_now, spender))
    except (Error, TimeoutError):
        raise ApiError(503, UNREAD, retry_after=RETRY_SECONDS, headers=UNSTORED) from None
    return 200, NOT_STORED, encode(usage.of_spent(spent))


async def _own_usage(gateway: Gateway, call: Call, scope: Scope) -> Written:
    """What the key, or its person, used: sums of the ledger, and budgets as the limits count."""
    caller = await _admit(gateway, call)
    now = gateway.relay.clocks.wall()
    query = scope["query_string"].decode("latin-1")
    asked = question_of(query, caller, datetime.fromtimestamp(now, UTC))
    try:
        sums = await gateway.reads.read(asked, partial(answer.summed, asked), asked.asker)
    except FullError:
        raise ApiError(429, TOO_MANY_READS, retry_after=1, headers=UNSTORED) from None
    except (Error, TimeoutError):
        raise ApiError(503, UNREAD, retry_after=RETRY_SECONDS, headers=UNSTORED) from None
    quotas = await gateway.limiter.quotas(caller.issued.accounts if caller.issued else (), now)
    return 200, NOT_STORED, encode(answer.document(asked, caller, sums, quotas))


async def _managed_settings(gateway: Gateway, call: Call, scope: Scope) -> Written:
    """For keys of ours. A forwarded key is nobody that the gateway has a policy for."""
    key, settings = (await _admit(gateway, call)).issued, gateway.settings
    policy = None
    if key is not None and settings.claude_code.managed_settings:
        chosen = settings.relay.safeguards, gateway.telemetry.signals
        policy = await asyncio.to_thread(policy_of, gateway.snapshot, key, *chosen)
    return managed_settings.answer(policy, call.headers.get("if-none-match", ""))


async def _telemetry(gateway: Gateway, call: Call, scope: Scope) -> Written:
    """An export of a client, which goes on by itself where somebody wants it."""
    content_type = call.headers.get("content-type", "")
    export = telemetry.export_of(call.path, content_type, call.body)
    gateway.telemetry.take(export)
    return telemetry.answer(export)


async def _not_found(gateway: Gateway, call: Call, scope: Scope) -> Answer:
    raise ApiError(404, "Not found")


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """HEAD or GET /api/hello: Claude Code opens its connection with it."""
    await reply(send, 200, {"request-id": f"req_{mint()}"}, b"")


ANY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

count_tokens = json_endpoint(_count_tokens, "POST")
models = json_endpoint(_models, "GET", "HEAD")
model = json_endpoint(_model, "GET", "HEAD")
schemas = json_endpoint(_schemas, "GET", "HEAD")
health = json_endpoint(_health, "GET", "HEAD")
spending = whole_endpoint(_usage, "GET", "HEAD")
own_usage = whole_endpoint(_own_usage, "GET", "HEAD")
managed = whole_endpoint(_managed_settings, "GET", "HEAD")
exports = whole_endpoint(_telemetry, "POST", most=telemetry.MOST_BYTES)
prometheus = whole_endpoint(_metrics, "GET", "HEAD")
not_found = json_endpoint(_not_found, *ANY_METHOD)
