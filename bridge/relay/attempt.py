"""Sending a request and getting an answer that has begun, with a second chance.

Until the client has seen anything, a failure may be mended: by waiting a moment (429 with a short
`retry-after`, an overloaded or unreachable backend), or by changing the request (a field that the
backend refuses, a `max_tokens` that does not fit). SDKs and Claude Code retry on their own, so
every attempt more here would multiply with theirs: there is one for a failure that passes. A
refusal teaches a fact, once for each model, and a new model may have several to teach.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from msgspec import Raw

from bridge.backends.client import (
    MAX_ERROR_BYTES,
    BackendClient,
    Reply,
    did_not_answer,
)
from bridge.backends.prefix_cache import Conversation, Prefixes
from bridge.outbound.client import connected_at
from bridge.outbound.inbox import Inbox
from bridge.process_settings import RelaySettings
from bridge.relay.read_ahead import inbox_of
from bridge.relay.trace import Trace
from bridge.routing.types import LearntRow, Target
from bridge.translation import facts as habits
from bridge.translation.errors import family_signs
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.from_backend import ErrorContext, from_reply
from bridge.translation.facts import Fact
from bridge.translation.json import encode, encode_text
from bridge.translation.profiles import PROFILES, ModelFacts, Profile
from bridge.translation.request.translate import ChatRequest
from bridge.translation.response.events import Event
from bridge.translation.response.stream_options import StreamOptions
from bridge.translation.response.translate import MAX_REPLY_BYTES, Answer
from bridge.translation.sizes import LARGE

logger = logging.getLogger(__name__)
debug = logging.getLogger("bridge.debug")


LearnedFromErrors = list[tuple[tuple[Fact, ...], str]]
"""Facts that a request had to respect, each with the sentence that taught them."""


@dataclass(frozen=True, slots=True)
class UpstreamRequest:
    """One request, ready to be sent.

    conversation  what it is a turn of;  agent_id   the sub-agent that takes this turn
    facts, profile   what is known of the model, and what its family wants
    trial         a learnt fact that it does without
    is_plain      the client gets one document, so that the whole answer is held in memory
    """

    target: Target
    chat: ChatRequest
    options: StreamOptions
    error_context: ErrorContext
    key: str
    conversation: Conversation = ()
    agent_id: str = ""
    is_plain: bool = False
    facts: ModelFacts = ModelFacts("")
    profile: Profile = PROFILES["generic"]
    trial: LearntRow | None = None


PAUSE_RANGE = (0.3, 0.8)
SEEN_IN_HEADERS = "The headers of its replies name this family."
ERROR_SECONDS = 10.0
"""For the body of an error, whose status says the most."""
MAX_REMEDIES = 3
"""How many refusals of one request are mended, each by another change."""

Rebuild = Callable[[Remedy], Awaitable[UpstreamRequest]]
"""Makes the request once more, as a remedy wants it."""


@dataclass(slots=True)
class OpenReply:
    """A backend answer that has begun: what it brought so far, and where the rest comes from.

    `idle` is the longest silence, in seconds, before the answer counts as broken off; `outgoing`
    is what was sent in the end, `learned` what had to be changed for it, each with its reason.
    """

    reply: Reply
    inbox: Inbox
    answer: Answer
    events: list[Event]
    idle: float
    outgoing: UpstreamRequest
    learned: LearnedFromErrors = field(default_factory=list)

    async def aclose(self) -> None:
        await self.inbox.aclose()
        await self.reply.aclose()


@dataclass(slots=True)
class SecondChances:
    """What one request has been given so far, and what was learnt by it."""

    settings: RelaySettings
    rebuild: Rebuild
    others_left: bool
    retries: int = 0
    tried: list[Fact] = field(default_factory=list)
    learned: LearnedFromErrors = field(default_factory=list)
    remedied: ApiError | None = None
    seen: LearnedFromErrors = field(default_factory=list)
    """What replies gave away of the server, whether or not they helped this request."""

    def first_refusal(self, error: ApiError) -> ApiError:
        """The refusal that could not be mended, where this one only says the same once more:
        what it was about shows in the request that met it first."""
        before = self.remedied
        cause = before.message.partition(": ")[2] if before else ""
        same = before is not None and before.status == error.status and cause in error.message
        return before if before is not None and cause and same else error

    def remedy_for(self, error: ApiError, outgoing: UpstreamRequest) -> Remedy | None:
        """The change under which a second try makes sense; None when it does not."""
        remedy = error.remedy
        if remedy is None or len(self.learned) >= MAX_REMEDIES:
            return None
        new = [f for f in remedy.facts if f not in self.tried and f not in outgoing.facts.learnt]
        return remedy if new or (remedy.max_tokens is not None and not self.learned) else None

    def may_wait(self, error: ApiError) -> bool:
        """Whether the same request may be sent once more. Another backend is the better try."""
        return (
            error.remedy is None
            and not self.others_left
            and self.retries < _allowance(error, self.settings)
        )


async def open_answer(
    upstream: BackendClient,
    settings: RelaySettings,
    outgoing: UpstreamRequest,
    trace: Trace,
    rebuild: Rebuild,
    *,
    prefixes: Prefixes | None = None,
    others_left: bool = False,
) -> OpenReply:
    """The begun answer. Raises ApiError when there is none, also after the second chance.

    Where there are `others_left` to ask, this one is not waited for and not asked the same thing
    twice.
    """
    chances = SecondChances(settings, rebuild, others_left)
    while True:
        trace.begin_attempt()
        try:
            body = await _written(outgoing, trace, prefixes)
            prefixes = None  # a second try is the same turn
            opened = await _attempt(upstream, settings, outgoing, body, trace)
        except ApiError as error:
            outgoing = await _second_try(error, outgoing, trace, chances)
        else:
            family = family_signs.by_headers(opened.reply.headers)
            seen = chances.seen + _family(family, SEEN_IN_HEADERS)
            opened.outgoing, opened.learned = outgoing, chances.learned + seen
            return opened


async def _second_try(
    error: ApiError, outgoing: UpstreamRequest, trace: Trace, chances: SecondChances
) -> UpstreamRequest:
    """What to send after this error. Raises it when there is nothing to try."""
    trace.attempt_failed(error)
    chances.seen += _family(error.family, error.message)
    remedy = chances.remedy_for(error, outgoing)
    if remedy is None and not chances.may_wait(error):
        error = chances.first_refusal(error)
        error.learned = _past_the_first(chances.learned, error) + chances.seen
        raise error
    trace.remedies.append(_remedy_text(error))
    logger.info("%s: second try after: %s", outgoing.options.request_id, error.for_operators)
    if remedy is None:
        chances.retries += 1
        await asyncio.sleep(_pause(error, chances.settings.proxy_max_retry_after))
        return outgoing
    chances.remedied = error
    chances.tried += remedy.facts
    chances.learned.append((remedy.facts, error.message))
    return await chances.rebuild(Remedy(tuple(chances.tried), remedy.max_tokens))


def _family(name: str, sentence: str) -> LearnedFromErrors:
    """The fact that the backend belongs to this family; nothing where none is known."""
    return [((Fact(habits.FAMILY, name),), sentence)] if name else []


def _past_the_first(learned: LearnedFromErrors, error: ApiError) -> LearnedFromErrors:
    """Lessons that a failed request leaves. Those before the last one were mended, or the next
    refusal would have been theirs; the last one was, where another one is blamed now."""
    proven = learned[:-1]
    if error.remedy is None or not learned or set(learned[-1][0]) & set(error.remedy.facts):
        return proven
    return learned


def _allowance(error: ApiError, settings: RelaySettings) -> int:
    """How often a request that met this error may be tried again."""
    if error.remedy:
        return 1
    if error.status == 429:
        wait = error.retry_after
        soon = wait is not None and wait <= settings.proxy_max_retry_after
        return settings.proxy_max_retry_on_429 if soon and settings.proxy_backoff_on_429 else 0
    return 1 if error.retryable else 0


def _pause(error: ApiError, longest: float) -> float:
    if error.retry_after is not None and error.retry_after <= longest:
        return error.retry_after
    return random.uniform(*PAUSE_RANGE)  # noqa: S311 - spreads retries, guards nothing


def _remedy_text(error: ApiError) -> str:
    remedy = error.remedy
    if remedy is None:
        return f"retried {error.status}"
    if remedy.max_tokens is not None:
        return f"max_tokens {remedy.max_tokens}"
    fields = [fact.value for fact in remedy.facts if fact.what == habits.REFUSES]
    return f"without {' '.join(fields)}" if fields else " ".join(map(str, remedy.facts))


async def _attempt(
    upstream: BackendClient,
    settings: RelaySettings,
    outgoing: UpstreamRequest,
    body: bytes,
    trace: Trace,
) -> OpenReply:
    """Send once; wait until there is something to show, or a reason why there is not."""
    try:
        reply = await upstream.send(outgoing.target.backend, outgoing.key, body, trace.traceparent)
    except asyncio.CancelledError:
        trace.is_unanswered = connected_at() is not None
        raise
    trace.answer_headers(reply.status, reply.connected_at)
    inbox: Inbox | None = None
    try:
        if not 200 <= reply.status < 300:
            raw = await reply.read(MAX_ERROR_BYTES, ERROR_SECONDS)
            raise from_reply(reply.status, reply.headers, raw, outgoing.error_context)
        trace.accept()
        inbox = inbox_of(reply, MAX_REPLY_BYTES if outgoing.is_plain else None)
        answer = Answer(outgoing.options, outgoing.error_context, reply.content_type)
        idle = outgoing.target.backend.idle or settings.idle_timeout
        begun = await _first_events(inbox, answer, idle)
        return OpenReply(reply, inbox, answer, begun, idle, outgoing)
    except BaseException:
        if inbox is not None:
            await inbox.aclose()
        await reply.aclose()
        raise


async def _written(outgoing: UpstreamRequest, trace: Trace, prefixes: Prefixes | None) -> bytes:
    """The body to send. A large one is written in a thread."""
    if outgoing.chat.size > LARGE:
        return await asyncio.to_thread(_content, outgoing, trace, prefixes)
    return _content(outgoing, trace, prefixes)


def _content(outgoing: UpstreamRequest, trace: Trace, prefixes: Prefixes | None) -> bytes:
    """What is sent. Its long parts become JSON once, in the order in which a prefix cache sees
    them: the tools, then the messages."""
    chat = outgoing.chat
    tools = [(tool["function"]["name"], encode(tool)) for tool in chat.body.get("tools", ())]
    joined = b",".join(definition for _, definition in tools)
    parts = {"tools": Raw(b"[" + joined + b"]")} if tools else {}
    parts["messages"] = Raw(encode(chat.body["messages"]))
    if prefixes is not None:
        prompt = memoryview(b"".join(parts.values()))[:-1]  # the last bracket ends no prompt
        trace.prompt_bytes = len(prompt)
        trace.repeated_bytes = prefixes.repeated(outgoing.conversation, prompt)
        if tools:
            # Sub-agents have tools of their own, and side calls mostly none.
            agent = (*outgoing.conversation, outgoing.agent_id)
            trace.tool_changes = prefixes.tool_changes(agent, tools)
    body = encode(chat.body | parts)
    if debug.isEnabledFor(logging.DEBUG):
        debug.debug("%s: %s", outgoing.options.request_id, _outline(outgoing, chat, len(body)))
    return body


def _outline(outgoing: UpstreamRequest, chat: ChatRequest, size: int) -> str:
    """What is sent, without a word of it."""
    left_out = ("messages", "tools", "response_format", "stop", "user")
    fields = {name: value for name, value in chat.body.items() if name not in left_out}
    roles = [message["role"] for message in chat.body["messages"]]
    tools = [tool["function"]["name"] for tool in chat.body.get("tools", ())]
    outline = {
        "backend": outgoing.target.backend.name,
        "bytes": size,
        "roles": roles,
        "tools": tools,
    }
    return encode_text(outline | fields)


async def _first_events(inbox: Inbox, answer: Answer, idle: float) -> list[Event]:
    """Read until the answer begins. Its failures are raised: nothing was shown yet."""
    while not answer.begun:
        data = await inbox.take(idle)
        if data is None:
            raise did_not_answer(idle)
        if events := await taken(answer.steps(data) if data else answer.last_steps()):
            return events
    return []


async def taken(steps: Iterable[list[Event]]) -> list[Event]:
    """All events of a piece of the answer. Between its steps others get their turn."""
    events: list[Event] = []
    for number, batch in enumerate(steps):
        if number:
            await asyncio.sleep(0)
        events += batch
    return events
