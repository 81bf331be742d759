"""One request to a judge model: routed, counted and recorded like any other.

The lists of models that the key, its person and its team may use do not hold for it, nor their
minute and number at once: the operator chose the judge, and a client sends one request. What it
costs counts: for their budgets and quotas, and in the ledger, in a record that names the request it
belongs to.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from bridge.keys.authentication import Caller
from bridge.relay import budget
from bridge.relay.exchange import Call, Exchange
from bridge.relay.prepare import (
    RoutedRequest,
    read,
    request_traits,
    route_request,
    wait_for_lists,
)
from bridge.relay.pump import pump
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.purpose import JUDGE, RequestPurpose
from bridge.translation.request.schema import MessagesRequest, RequestLimits
from bridge.translation.response import events
from bridge.translation.response.fold import Fold

TOO_SLOW = "Judge model did not answer within {:g} seconds (setting JUDGE_SECONDS)"
WHOSE = (
    "key",
    "key_id",
    "key_four",
    "fingerprint",
    "person",
    "person_id",
    "team",
    "team_id",
)
SHARED = ("agent_type", "agent_id", "parent_agent_id", "prompt_id")
"""What a judge's record says of the request that it belongs to."""
_KEPT_HEADERS = ("user-agent", "x-claude-code-session-id")
_LIMITS = RequestLimits()


async def ask(parent: Exchange, caller: Caller, body: bytes, seconds: float) -> events.Message:
    """The judge's answer to the request in `body`. Raises ApiError."""
    judge = _exchange(parent, caller)
    try:
        async with asyncio.timeout(seconds):
            return await _answer(judge, caller, body)
    except TimeoutError:
        slow = ApiError(504, TOO_SLOW.format(seconds))
        await judge.give_up(slow)
        raise slow from None
    except ApiError as error:
        judge.failed(error)
        raise
    finally:
        await judge.settle()


def _exchange(parent: Exchange, caller: Caller) -> Exchange:
    """A request of its own, which keeps no sample of what it contains."""
    call, headers = parent.call, parent.call.headers
    kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
    call = Call(call.path, kept, b"", call.address, client=call.client)
    tracing = parent.tracing.for_judge() if parent.tracing is not None else None
    judge = Exchange(parent.parts, call, tracing)
    record, origin = judge.record, parent.record
    judge.caller, record.parent_id = caller, origin.request_id
    for name in (*WHOSE, *SHARED):
        setattr(record, name, getattr(origin, name))
    record.request_class = JUDGE
    return judge


async def _answer(judge: Exchange, caller: Caller, body: bytes) -> events.Message:
    request = await read(body, _LIMITS)
    judge.record.asked_model = request.model
    routed = await _routed(judge, caller, request)
    outgoing = await judge.choose_target(routed)
    await judge.reserve(routed, outgoing, with_rates=False)
    opened = await judge.open()
    folding = Fold()
    async for batch in pump(opened, judge.parts.settings, judge.parts.clocks.steady):
        folding.feed(batch)
    if opened.answer.error is not None:
        raise opened.answer.error
    message = folding.message
    judge.answered(opened.answer)
    return message


async def _routed(judge: Exchange, caller: Caller, request: MessagesRequest) -> RoutedRequest:
    parts, sticky = judge.parts, judge.call.session or caller.fingerprint
    traits = await request_traits(parts, request, RequestPurpose(request_class=JUDGE))
    await wait_for_lists(parts, request.model, caller, sticky, traits)
    # Judges repeat each other, and are no turns of the session: its prefixes stay its own.
    routed = route_request(
        parts, request, caller, judge.call.request_id, JUDGE, sticky=sticky, traits=traits
    )
    prices = parts.snapshot.prices
    route = budget.countable(routed.route, prices, caller.issued, request.model)
    return replace(routed, route=route, may_quote=False)  # nothing of a judged call is kept
