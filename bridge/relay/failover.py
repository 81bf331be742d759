"""The targets of one route, one after another, until one of them begins to answer.

A target is left for the next one before the client has seen a token, never after: two models must
not speak in one message. A target that asked to be left alone for a while, or whose backend was
last seen unreachable, is asked only when no other may be called. Each step is noted in the
request's record.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from bridge.backends.health import Permit
from bridge.ledger.record import Record
from bridge.relay.attempt import OpenReply, UpstreamRequest, open_answer
from bridge.relay.prepare import RoutedRequest, clamped, forwarded_key, upstream_request
from bridge.routing.resolve import Target
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError

ELSEWHERE = frozenset({402, 404, 408, 429})
"""Refusals that say something of this backend, beside all 5xx: another may well accept. A wrong
key of the caller or a request that makes no sense would be refused anywhere."""
NOBODY_LEFT = "No backend of this route can be called"


@dataclass(slots=True)
class Failover:
    """What is left of a route. `order` and `permit` are those of the target last tried."""

    gateway: Gateway
    routed: RoutedRequest
    record: Record
    order: UpstreamRequest | None = None
    permit: Permit | None = None
    _left: deque[Target] = field(init=False)
    _deferred: list[tuple[float, Target]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._left = deque(self.routed.route.targets)

    @property
    def longest_wait(self) -> float:
        """Seconds that a whole answer may take."""
        return max(target.backend.timeout for target in self.routed.route.targets)

    async def advance(self) -> UpstreamRequest:
        """Go to the next target that may be called. Raises the first refusal when none may."""
        refusal: ApiError | None = None
        while target := self._next():
            try:
                return await self._take(target)
            except ApiError as error:
                self._note(target, error.for_operators)
                refusal = refusal or error
        raise refusal or ApiError(503, NOBODY_LEFT)

    def _next(self) -> Target | None:
        """The next target in turn; those that were put off only where no other was called."""
        while self._left:
            target = self._left.popleft()
            if not self._puts_off(target):
                return target
        if self._deferred and self.order is None:
            self._deferred.sort(key=lambda entry: entry[0])
            return self._deferred.pop(0)[1]
        return None

    def _puts_off(self, target: Target) -> bool:
        """Whether this target comes behind all others for now."""
        if len(self.routed.route.targets) == 1:
            return False
        name = self._rest_name(target)
        reason, seconds = self.gateway.health.reason_to_defer(target.backend, name)
        if reason:
            self._deferred.append((seconds, target))
            self._note(target, reason)
        return bool(reason)

    def _rest_name(self, target: Target) -> str:
        """What rests when this target has had enough: the model, for this caller alone where it
        was the caller's own key that was used up."""
        caller = self.routed.caller
        own = forwarded_key(self.gateway, caller, target.backend)
        return f"{target.model} {caller.fingerprint}" if own else target.model

    async def _take(self, target: Target) -> UpstreamRequest:
        permit = self.gateway.health.admit(target.backend)
        permit.rest_name = self._rest_name(target)
        try:
            self.order = await upstream_request(self.gateway, self.routed, target)
        except BaseException:
            permit.abandoned()
            raise
        self.permit = permit
        self.record.backend, self.record.model = target.backend.name, target.model
        self.record.dropped = self.order.chat.dropped
        self.record.clamped = clamped(self.routed.asked, self.order.chat)
        self.record.translated_after = self.record.elapsed()
        return self.order

    async def open(self, accepted: asyncio.Future[None]) -> OpenReply:
        """The first answer that begins, from the current target on. Raises ApiError."""
        assert self.order is not None and self.permit is not None
        while True:
            order, permit = self.order, self.permit
            try:
                opened = await open_answer(
                    self.gateway.upstream,
                    order,
                    self.record,
                    accepted,
                    prefixes=self.gateway.prefixes,
                    others_left=bool(self._left),
                )
            except ApiError as error:
                if not self._left or not _may_go_on(error):
                    raise
                permit.failed(error)
                self._note(order.target, error.for_operators)
                await self._go_on(error)
            else:
                if opened.answer.machine.error is None:
                    permit.began()
                return opened

    async def _go_on(self, error: ApiError) -> None:
        """To the next target; when none may be called, what the last one said is the answer."""
        try:
            await self.advance()
        except ApiError:
            raise error from None

    def _note(self, target: Target, text: str) -> None:
        step = f"{target.backend.name}: {text}"
        self.record.route = (*self.record.route, step if len(step) < 200 else f"{step[:200]}…")


def _may_go_on(error: ApiError) -> bool:
    return error.status in ELSEWHERE or error.status >= 500
