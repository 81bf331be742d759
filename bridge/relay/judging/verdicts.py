"""The verdicts on one answer's tool calls, while the answer is on its way to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field

from bridge.ids import mint
from bridge.keys.authentication import Caller
from bridge.ledger.record import CallVerdict
from bridge.relay.exchange import Exchange
from bridge.relay.judging.request import ask
from bridge.relay.prepare import RoutedRequest, judge_model
from bridge.translation import safeguards
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON
from bridge.translation.response.events import Event
from bridge.translation.safeguards import Verdict, judge_prompt, judge_verdicts, unanswered
from bridge.translation.safeguards.skipped_calls import skipped
from bridge.translation.safeguards.tool_calls import CallCollector, FinishedCall
from bridge.translation.sizes import LARGE

logger = logging.getLogger(__name__)

NUMBER_LENGTH = 12
"""Characters of the number that a judge's prompt is marked with: 71 bits."""
_REASONS = {403: "not_allowed", 404: "no_such_model", 504: safeguards.TIMEOUT}
"""Status of a judge's request that failed -> the reason on record."""
LIMITED, BACKEND_AWAY, FAILED = "over_limit", "backend_away", "judge_failed"
ENDED = "ended"


@dataclass(slots=True)
class Judging:
    """Feed it the events of an answer; `conclude` when it is over, wait, and take the `results`."""

    exchange: Exchange
    caller: Caller
    routed: RoutedRequest
    model: str
    _collector: CallCollector = field(default_factory=CallCollector)
    _calls: tuple[FinishedCall, ...] = ()
    _decided: dict[str, Verdict] = field(default_factory=dict)
    _task: asyncio.Task[dict[str, Verdict]] | None = None
    _outdated: list[asyncio.Task[dict[str, Verdict]]] = field(default_factory=list)
    _is_begun: bool = False
    _is_finishing: bool = False
    _milliseconds: int = 0

    def feed(self, batch: Iterable[Event]) -> None:
        self._collector.feed(batch)

    def finish_is_known(self) -> None:
        """The backend named its reason to stop: what is complete may be judged already."""
        if self._is_finishing:
            return
        self._is_finishing = True
        calls = self._collector.calls()
        if calls and all(judge_verdicts.unjudgeable(call) is None for call in calls):
            self._begin(calls)

    def conclude(self, stop_reason: str) -> None:
        """The answer is over. A judge that was asked about other calls than these is asked anew."""
        calls = self._collector.calls(stop_reason)
        if not self._is_begun or calls != self._calls:
            self._set_aside()
            self._begin(calls)

    def _set_aside(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._outdated.append(self._task)
            self._task = None

    def _begin(self, calls: tuple[FinishedCall, ...]) -> None:
        self._is_begun, self._calls = True, calls
        self._decided = {}
        left = []
        for call in calls:
            verdict = skipped(call, self._context) or judge_verdicts.unjudgeable(call)
            if verdict is None:
                left.append(call)
            else:
                self._decided[call.id] = verdict
        if judged := judge_prompt.judged(left):
            self._task = asyncio.get_running_loop().create_task(self._ask(judged))

    @property
    def _context(self) -> dict[str, JSON]:
        return safeguards.classifier_context(self.routed.request.body)

    async def _ask(self, calls: tuple[FinishedCall, ...]) -> dict[str, Verdict]:
        """The judge's verdicts, by the ids of the calls. Raises ApiError."""
        number, context = mint()[:NUMBER_LENGTH], self._context
        clock, seconds = (
            self.exchange.parts.clocks.steady,
            self.exchange.parts.settings.judge_seconds,
        )
        began = clock()
        try:
            body = await self._body(calls, number)
            message = await ask(self.exchange, self.caller, body, seconds)
        finally:
            self._milliseconds = round((clock() - began) * 1000)
        labelled = judge_prompt.labels(calls, number)
        found = judge_verdicts.verdicts(
            message, labelled, rules_are_cut=judge_prompt.rules_are_cut(context)
        )
        return {labelled[label].id: verdict for label, verdict in found.items()}

    async def _body(self, calls: tuple[FinishedCall, ...], number: str) -> bytes:
        """The judge's request. One about a large request is written in a thread."""
        request = self.routed.request
        given = self.model, calls, self._context, request.messages, number
        if request.size > LARGE:
            return await asyncio.to_thread(judge_prompt.judge_request, *given)
        return judge_prompt.judge_request(*given)

    async def wait(self, interval: float) -> AsyncGenerator[None]:
        """Until the judge has answered: something to do, each time that an interval passes."""
        while self._task is not None and not self._task.done():
            await asyncio.wait({self._task}, timeout=interval)
            if not self._task.done():
                yield

    def results(self) -> list[JSON]:
        """What the answer carries as `safeguard_results`; the record gets the outcomes."""
        verdicts = self._verdicts()
        if self.exchange.tracing is not None:
            self.exchange.tracing.judged()
        self.exchange.record.verdicts = [
            _kept(call, verdicts[call.id], 0 if call.id in self._decided else self._milliseconds)
            for call in self._calls
        ]
        return safeguards.available(verdicts)

    def _verdicts(self) -> dict[str, Verdict]:
        judged, missing = self._judged()
        known = self._decided | judged
        return {call.id: known.get(call.id, missing) for call in self._calls}

    def _judged(self) -> tuple[dict[str, Verdict], Verdict]:
        """The verdicts of the judge, and the one on calls that it does not name."""
        task = self._task
        if task is None:
            return {}, unanswered(safeguards.TOO_LONG)
        if not task.done() or task.cancelled():
            return {}, unanswered(ENDED)
        error = task.exception()
        if error is None:
            return task.result(), unanswered(safeguards.TOO_LONG)
        if not isinstance(error, ApiError):
            logger.error("%s: a judge failed", self.exchange.call.request_id, exc_info=error)
        return {}, unanswered(_reason(error))

    # --- at the end ---

    def interrupt(self) -> None:
        """The process must end: nobody waits for the judge any more."""
        if self._task is not None:
            self._task.cancel()

    async def aclose(self) -> None:
        """Wait for the records of all judges; one that is still at work is stopped."""
        self._set_aside()
        if self._outdated:
            await asyncio.gather(*self._outdated, return_exceptions=True)


def begin(exchange: Exchange, routed: RoutedRequest) -> Judging | None:
    """What will judge the calls of this request's answer; None where nothing is to."""
    model = judge_model(exchange.parts.settings, routed)
    if not model or exchange.caller is None:
        return None
    return Judging(exchange, exchange.caller, routed, model)


def _reason(error: BaseException) -> str:
    if not isinstance(error, ApiError):
        return FAILED
    if error.status == 429:
        return "over_budget" if error.type == "billing_error" else LIMITED
    if error.status in (502, 503, 529):
        return BACKEND_AWAY
    return _REASONS.get(error.status, FAILED)


def _kept(call: FinishedCall, verdict: Verdict, milliseconds: int) -> CallVerdict:
    """What is kept of a verdict: no word of the call, and none of the judge."""
    return CallVerdict(
        call=call.id,
        tool=call.name,
        outcome=verdict.outcome,
        reason=verdict.reason,
        rule=verdict.rule,
        ms=milliseconds,
    )
