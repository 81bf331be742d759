"""The targets of one route, one after another, until one of them begins to answer.

A target is left for the next one before the client has seen a token, never after: two models must
not speak in one message. A target that asked to be left alone for a while comes behind the others,
and one whose backend could not be reached is called only where no other may be. Each step is noted
in the request's trace.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from functools import partial

from bridge.backends.health import Permit
from bridge.relay.attempt import LearnedFromErrors, OpenReply, UpstreamRequest, open_answer
from bridge.relay.parts import RelayParts
from bridge.relay.prepare import RoutedRequest, clamped, forwarded_key, upstream_request
from bridge.relay.trace import Trace
from bridge.routing.types import Target
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.facts import REFUSES

ELSEWHERE = frozenset({402, 404, 408, 429})
"""Refusals that say something of this backend, beside all 5xx: another may well accept. A wrong
key of the caller or a request that makes no sense would be refused anywhere."""
NOBODY_LEFT = "No backend of this route can be called"


@dataclass(slots=True)
class Failover:
    """What is left of a route. `outgoing` and `permit` are those of the target last tried."""

    parts: RelayParts
    routed: RoutedRequest
    trace: Trace
    outgoing: UpstreamRequest | None = None
    permit: Permit | None = None
    _left: deque[Target] = field(default_factory=deque)
    _deferred: list[tuple[float, Target]] = field(default_factory=list)
    _earlier: ApiError | None = None
    _overflow: ApiError | None = None

    def __post_init__(self) -> None:
        for target in self.routed.route.targets:
            self._put(target)
        self._deferred.sort(key=lambda entry: entry[0])

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
                self.trace.step(target, error.for_operators)
                refusal = refusal or error
        raise refusal or ApiError(503, NOBODY_LEFT)

    def _put(self, target: Target) -> None:
        """Into its turn, or behind all others for now."""
        health, name = self.parts.health, self._rest_name(target)
        reason, seconds = health.reason_to_defer(target.backend, name)
        if not reason or len(self.routed.route.targets) == 1:
            self._left.append(target)
            return
        self._deferred.append((seconds, target))
        if not self._left:
            self.trace.step(target, reason)

    def _next(self) -> Target | None:
        if self._left:
            return self._left.popleft()
        return self._deferred.pop(0)[1] if self._has_last_resort else None

    @property
    def _has_last_resort(self) -> bool:
        """Whether one that was put off is to be called: after a failure of another only one that
        can be expected to answer at once."""
        if not self._deferred:
            return False
        return self.outgoing is None or self._deferred[0][0] < math.inf

    def _rest_name(self, target: Target) -> str:
        """What rests when this target has had enough: the model, for this caller alone where it
        was the caller's own key that was used up."""
        caller = self.routed.caller
        own = forwarded_key(self.parts, caller, target.backend)
        return f"{target.model}\n{caller.fingerprint}" if own else target.model

    async def _take(self, target: Target) -> UpstreamRequest:
        permit = self.parts.health.admit(target.backend)
        permit.rest_name = self._rest_name(target)
        try:
            outgoing = await upstream_request(self.parts, self.routed, target)
        except BaseException:
            permit.abandoned()
            raise
        self.permit = permit
        self._place(outgoing)
        self.trace.take(target)
        return outgoing

    async def open(self) -> OpenReply:
        """The first answer that begins, from the current target on. Raises ApiError."""
        assert self.outgoing is not None and self.permit is not None
        while True:
            outgoing, permit = self.outgoing, self.permit
            try:
                opened = await open_answer(
                    self.parts.upstream,
                    self.parts.settings,
                    outgoing,
                    self.trace,
                    partial(self._rebuild, outgoing.target),
                    prefixes=self.parts.prefixes,
                    others_left=bool(self._left),
                )
            except ApiError as error:
                self._learn(outgoing.target, error.learned)
                await self._go_on(outgoing, permit, error)
            else:
                self._learn(outgoing.target, opened.learned)
                if opened.answer.error is None:
                    permit.began()
                return opened

    async def _rebuild(self, target: Target, remedy: Remedy) -> UpstreamRequest:
        """The current upstream request, built again with a remedy."""
        before = self.outgoing
        outgoing = await upstream_request(self.parts, self.routed, target, remedy)
        self._place(outgoing)
        if before is not None and before.trial and before.trial.fact in remedy.facts:
            self.parts.learned.tried(before.trial, still_true=True)
        return outgoing

    def _place(self, outgoing: UpstreamRequest) -> None:
        """This is what is sent."""
        self.outgoing = outgoing
        self.trace.place(outgoing.chat, clamped(self.routed.requested_tokens, outgoing.chat))

    def _learn(self, target: Target, learned: LearnedFromErrors) -> None:
        """What the second try proved serves the next request."""
        for facts, sentence in learned:
            self.trace.refused += [fact.value for fact in facts if fact.what == REFUSES]
            self.parts.learned.learn(target, facts, sentence)

    async def _go_on(self, outgoing: UpstreamRequest, permit: Permit, error: ApiError) -> None:
        """To the next target. Raises the error that is the answer where there is none.

        The refusal of a last resort is no news; the error that led to it says more. And where a
        prompt was too long, its client can do something about that.
        """
        if error.context_limit:
            self._overflow = error
            self._leave_out_windows_up_to(error.context_limit)
        may_go_on = error.status in ELSEWHERE or error.status >= 500 or error.context_limit
        has_next = bool(self._left) or self._has_last_resort
        is_last = self._earlier is not None or not (has_next and may_go_on)
        answer = self._overflow or self._earlier or error
        if is_last and answer is error:
            raise error
        permit.failed(error)
        self.trace.step(outgoing.target, error.for_operators)
        if is_last:
            raise answer from None
        if not self._left:
            self._earlier = error
        try:
            await self.advance()
        except ApiError:
            raise answer from None

    def _leave_out_windows_up_to(self, tokens: int) -> None:
        """The prompt fits none of them. Nor is one tried whose window is not known."""
        self._left = deque(t for t in self._left if (t.facts.context or 0) > tokens)
        self._deferred = [e for e in self._deferred if (e[1].facts.context or 0) > tokens]
