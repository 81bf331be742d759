"""One request under way: what it holds, and how it is settled.

Everything that must be given back lives here (the breaker's permit, the backend connection, the
usage record), so that one `settle` gives back all of it, however the request ended.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.ids import mint
from bridge.keys import decisions, spend_headers
from bridge.keys.authentication import Caller, IssuedKey
from bridge.keys.client_address import Address, recorded
from bridge.keys.decisions import Decision, QuotaState
from bridge.keys.limits import QuotaUsage
from bridge.ledger.pricing import usd
from bridge.ledger.record import Record
from bridge.live.messages import Running
from bridge.outcomes import ABANDONED
from bridge.relay import budget
from bridge.relay.attempt import OpenReply, UpstreamRequest
from bridge.relay.failover import Failover
from bridge.relay.lessons import learn_from_answer, learn_from_error
from bridge.relay.parts import RelayParts
from bridge.relay.prepare import RoutedRequest
from bridge.relay.sampling import BodySample, is_chosen
from bridge.relay.trace import Trace
from bridge.routing.resolve import NoRouteError
from bridge.tracing.request_trace import RequestTrace
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.purpose import read_purpose
from bridge.translation.response import events
from bridge.translation.response.translate import Answer

if TYPE_CHECKING:
    from bridge.relay.judging.verdicts import Judging

RESTARTING = "Gateway is restarting"


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request. Header names in lower case; `address` is the server's own, on which the
    request arrived, or "" where a front handed it on; `client` is the other end's, if known.

    `fault`: why its body cannot be read, which is then empty; `caller`: who was let in to send it.
    """

    path: str
    headers: dict[str, str]
    body: bytes
    address: str = "127.0.0.1"
    request_id: str = field(default_factory=lambda: f"req_{mint()}")
    fault: ApiError | None = None
    client: Address | None = None
    caller: Caller | None = None

    @property
    def session(self) -> str:
        """Claude Code's id of a working session, "" from other clients."""
        return self.headers.get("x-claude-code-session-id", "")[:64]


@dataclass(frozen=True, slots=True)
class Head:
    """Status and headers of a reply, names in lower case."""

    status: int
    headers: dict[str, str]


class Exchange:
    """One request, from its arrival to its record."""

    def __init__(self, parts: RelayParts, call: Call, tracing: RequestTrace | None = None) -> None:
        self.parts = parts
        self.call = call
        self.head_sent = False
        self.tracing = tracing
        """What a trace holds of it beside its record; None where traces are off."""
        if tracing is None and parts.tracer is not None:
            self.tracing = parts.tracer.begin(call.headers)
        self.record = Record(
            request_id=call.request_id,
            path=call.path,
            client=call.headers.get("user-agent", "")[:120],
            session=call.session,
            address=recorded(
                call.client, parts.settings.client_addresses, parts.settings.secret_key
            ),
        )
        if self.tracing is not None:
            self.record.trace_id = self.tracing.trace_id
        self.record.serves(read_purpose(call.headers))
        self.caller: Caller | None = None
        self.sample: BodySample | None = None
        self.decision: Decision | None = None
        self.budget: QuotaState | None = None
        self.targets: Failover | None = None
        self.judging: Judging | None = None
        self._opening: asyncio.Task[OpenReply] | None = None
        self._interrupted = False

    # --- on the way ---

    @property
    def outgoing(self) -> UpstreamRequest | None:
        """The upstream request that was sent last, or is to be sent."""
        return self.targets.outgoing if self.targets else None

    def identified(self, caller: Caller) -> None:
        self.caller = caller
        record = self.record
        record.key, record.auth_after = caller.name, record.elapsed()
        if caller.issued is None:
            record.fingerprint = caller.fingerprint
            return
        self.belongs_to(caller.issued)
        if is_chosen(caller.issued, self.parts.clocks.wall()):
            self.sample = BodySample(self.call.body)

    def belongs_to(self, issued: IssuedKey) -> None:
        """Put a key of ours on the record, good or not."""
        record = self.record
        record.key, record.key_id, record.key_four = issued.name, issued.id, issued.four
        if (person := issued.person) is not None:
            record.person, record.person_id = person.name, person.id
        if (team := issued.team) is not None:
            record.team, record.team_id = team.name, team.id

    async def choose_target(self, routed: RoutedRequest) -> UpstreamRequest:
        """The upstream request for the first target that may be called. Raises ApiError."""
        self.record.alias = routed.route.alias
        trace = Trace(self.parts.clocks.steady, routed.route.steps, tracing=self.tracing)
        self.targets = Failover(self.parts, routed, trace)
        outgoing = await self.targets.advance()
        if self.tracing is not None:
            self.tracing.routed()
        return outgoing

    @property
    def longest_wait(self) -> float:
        """Seconds that a whole answer may take."""
        return self.targets.longest_wait if self.targets else 0.0

    async def reserve(
        self, routed: RoutedRequest, outgoing: UpstreamRequest, *, with_rates: bool = True
    ) -> None:
        """Take a place within the limits of the key, its person and its team, or only `with_rates`
        within all of them. Raises a 429.
        """
        issued = self.caller.issued if self.caller else None
        if issued is None or not issued.accounts:
            return
        accounts = issued.accounts if with_rates else issued.accounts_without_rates()
        if not accounts:
            return
        whole, tokens = QuotaUsage(), outgoing.chat.prompt_tokens
        if any(account.limits.quotas for account in accounts):
            prices, targets = self.parts.snapshot.prices, routed.route.targets
            whole = budget.estimate(prices, targets, outgoing.chat, routed.requested_tokens)
        settings, limiter = self.parts.settings, self.parts.limiter
        now = self.parts.clocks.wall()
        if settings.budget_unreadable == "refuse" and not limiter.has_read(accounts, now):
            budget.refuse_unread(accounts)
        if self.tracing is not None:
            self.tracing.asks_limits()
        self.decision = await limiter.admit(accounts, tokens, now, whole)
        if self.tracing is not None:
            self.tracing.has_limits()
        self.budget = self.decision.budget
        if not self.decision.is_allowed:
            raise budget.over_limit(self.decision, settings.budget_advice)

    async def read_budget(self) -> None:
        """Know what is left of the caller's budgets, for an answer that uses nothing of them."""
        issued = self.caller.issued if self.caller else None
        if issued is not None and issued.accounts:
            now = self.parts.clocks.wall()
            quotas = await self.parts.limiter.quotas(issued.accounts, now)
            self.budget = decisions.fullest(decisions.budgets_of(quotas))

    def start(self) -> asyncio.Task[OpenReply]:
        """Start to open the backend's answer."""
        assert self.targets is not None
        self._opening = asyncio.create_task(self.targets.open())
        return self._opening

    async def wait_for_headers(self, opening: asyncio.Task[OpenReply]) -> None:
        """Wait for the answer to begin, as long as the client may be kept without a byte."""
        assert self.targets is not None
        accepted = self.targets.trace.accepted
        either: set[asyncio.Future[Any]] = {opening, accepted}
        first = asyncio.FIRST_COMPLETED
        await asyncio.wait(either, timeout=self.parts.settings.headers_grace, return_when=first)
        if accepted.done() and not opening.done():
            await asyncio.wait({opening}, timeout=self.parts.settings.first_chunk_grace)

    async def open(self) -> OpenReply:
        return await self.reply(self.start())

    async def reply(self, opening: asyncio.Task[OpenReply]) -> OpenReply:
        """The begun answer. Raises ApiError."""
        if not opening.done():
            await asyncio.wait({opening})
        if self._interrupted:
            raise ApiError(529, RESTARTING)
        opened = opening.result()
        if self.record.first_token_after is None:
            self.record.first_token_after = self.record.elapsed()
        return opened

    def head(self, status: int, headers: dict[str, str]) -> Head:
        """The reply's head, with what every reply carries."""
        self.head_sent = True
        self.record.status = self.record.status or status
        if self.tracing is not None:
            self.tracing.head_status = status
        headers = {**headers, "request-id": self.call.request_id}
        if self.decision is not None:
            headers = decisions.headers(self.decision) | headers
        if status == 200:
            headers |= spend_headers.answered(self.budget)
        if outgoing := self.outgoing:
            headers["x-gateway-model"] = _header_text(outgoing.target.model)
            if outgoing.chat.dropped:
                headers["x-gateway-dropped"] = _header_text(",".join(outgoing.chat.dropped))
        return Head(status, headers)

    def interrupt(self) -> None:
        """The process must end: finish with an error that clients retry."""
        self._interrupted = True
        if self.judging is not None:
            self.judging.interrupt()
        if self._opening is None:
            return
        if opened := self._open_answer():
            opened.inbox.fail(ApiError(529, RESTARTING))
        else:
            self._opening.cancel()

    def seen(self) -> Running:
        """What watchers see of it."""
        record, outgoing, opened = self.record, self.outgoing, self._open_answer()
        target = outgoing.target if outgoing else None
        prompt, output = (outgoing.chat.prompt_tokens if outgoing else 0), 0
        if opened is not None:
            usage = opened.answer.usage
            cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
            prompt, output = usage.input_tokens + cached, usage.output_tokens
        return Running(
            id=record.request_id,
            age=record.elapsed(),
            key=record.key,
            key_id=record.key_id or 0,
            fingerprint=record.fingerprint,
            model=target.model if target else record.asked_model,
            backend=target.backend.name if target else "",
            session=record.session,
            streamed=record.streamed,
            waiting=opened is None,
            input_tokens=prompt,
            output_tokens=output,
        )

    # --- at the end ---

    def answered(self, answer: Answer) -> None:
        """The answer is over, well or in an error event."""
        if self.tracing is not None:
            self.tracing.answered()
        self._count(answer)
        self.record.repaired, self.record.tools = answer.repaired, answer.tools
        outgoing, learned = self.outgoing, self.parts.learned
        if answer.error is not None:
            self.failed(answer.error)
            if outgoing is not None:
                learn_from_error(learned, outgoing, answer.error)
            return
        self.record.stop_reason = answer.stop_reason
        self.record.status = self.record.status or 200
        if self.targets is not None and self.targets.permit is not None:
            self.targets.permit.succeeded()
        if outgoing is not None:
            learn_from_answer(learned, outgoing, answer)

    def _count(self, answer: Answer) -> None:
        """What was used so far, as reported, or else as estimated."""
        reported = answer.reported
        known = reported.prompt is not None and reported.completion is not None
        self.record.count(answer.usage, estimated=not known)
        self.record.reported_cost_nano_usd = reported.cost_nano

    def failed(self, error: ApiError) -> None:
        if opened := self._open_answer():
            self._count(opened.answer)
        in_answer = opened is not None and opened.answer.error is error
        if (
            self.targets is not None
            and not self._interrupted
            and (in_answer or error.blames_backend)
        ):
            self.targets.trace.attempt_failed(error)
        self.record.error_type, self.record.error = error.type, error.message
        self.record.cause = error.cause
        if self.head_sent:
            self.record.head_status = 200
        self.record.status = error.status
        if isinstance(error, NoRouteError):
            self.record.route = error.steps
        if self.targets is not None and self.targets.permit is not None:
            self.targets.permit.failed(error)

    async def account(self) -> None:
        """Put the request on record and give its place back; once, before its last bytes go out.

        So whatever a client saw finished is on record, and its next request finds the place free.
        """
        record = self.record
        if record.written:
            return
        if self.targets is not None:
            self.targets.trace.put_on(record)
        record.cost_nano_usd = self._cost()
        if self.sample is not None:
            record.sample = self.sample.document()
        record.write(self.parts.spool)
        if self.tracing is not None:
            self.tracing.finish(record)
        self.parts.activity.finished(record)
        if self.decision is not None and self.decision.reservation is not None:
            cost = usd(record.cost_nano_usd or 0)
            reservation, tokens = self.decision.reservation, record.tokens
            await self.parts.limiter.settle(reservation, tokens, cost, self.parts.clocks.wall())

    def _cost(self) -> int | None:
        """At the price that is known, or as the backend reports it where its row prefers that."""
        priced = self.parts.snapshot.prices.cost(self.record)
        reported = self.record.reported_cost_nano_usd
        if reported is None:
            return priced
        prefers = self.outgoing is not None and self.outgoing.target.backend.prefers_own_cost
        return reported if prefers or priced is None else priced

    def _open_answer(self) -> OpenReply | None:
        opening = self._opening
        if opening is None or not opening.done() or opening.cancelled() or opening.exception():
            return None
        return opening.result()

    async def give_up(self, error: ApiError) -> None:
        """Nobody waits for the answer any more: what it used so far counts."""
        await self._stop_opening()
        if self.outgoing is not None:
            self._count_abandoned(self.outgoing)
        self.failed(error)

    async def settle(self) -> None:
        """Give everything back. Called once, last, also when the client has gone."""
        if self.judging is not None:
            await self.judging.aclose()
        if self.targets is not None and self.targets.permit is not None:
            self.targets.permit.abandoned()
        await self._stop_opening()
        if not self.record.stop_reason and not self.record.error_type and self.outgoing:
            self._count_abandoned(self.outgoing)
        if self._interrupted and not self.record.stop_reason and not self.record.error_type:
            self.failed(ApiError(529, RESTARTING))  # it is not the client who ended it
        self.record.status = self.record.status or ABANDONED
        await self.account()
        if opened := self._open_answer():
            await opened.aclose()

    async def _stop_opening(self) -> None:
        if self._opening is not None and not self._opening.done():
            self._opening.cancel()
            await asyncio.wait({self._opening})

    def _count_abandoned(self, outgoing: UpstreamRequest) -> None:
        """The client left: its answer counts as far as it went, and its prompt once it was sent."""
        if opened := self._open_answer():
            self._count(opened.answer)
        elif self.targets is not None and self.targets.trace.is_unanswered:
            self.record.count(events.Usage(outgoing.chat.prompt_tokens, 0), estimated=True)
        if self._opening is not None:
            self.record.status = ABANDONED


def _header_text(text: str) -> str:
    """Text that fits into a header: printable ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text)[:1000]
