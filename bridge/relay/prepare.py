"""Builds the upstream request: from a checked request, a caller and a target to body, URL and key.

One `RoutedRequest` for a request; one `UpstreamRequest` for each of its targets that is tried.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial

from bridge.ids import mint
from bridge.keys import authentication
from bridge.keys.authentication import Caller
from bridge.process_settings import RelaySettings
from bridge.relay import pdf
from bridge.relay.attempt import UpstreamRequest
from bridge.relay.parts import RelayParts
from bridge.routing import resolve
from bridge.routing.conditions import RequestTraits
from bridge.routing.types import BackendConfig, Route, Target
from bridge.translation import facts as habits
from bridge.translation import safeguards
from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.json import JSON
from bridge.translation.profiles import (
    PROFILES,
    ModelFacts,
    Profile,
    for_model,
    inline_thinking,
    parses_calls,
)
from bridge.translation.prompt_size import prompt_size
from bridge.translation.request import overrides, thinking
from bridge.translation.request.purpose import RequestPurpose
from bridge.translation.request.schema import MessagesRequest, RequestLimits, has_pdf, read_request
from bridge.translation.request.translate import ChatRequest, TranslationOptions, to_chat
from bridge.translation.response.stream_options import StreamOptions
from bridge.translation.sizes import LARGE

NO_REMEDY = Remedy()


@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """One request and where it may go. `request` has the alias' overrides applied;
    `requested_tokens` is the client's own `max_tokens`. `may_quote`: errors may have the words of
    a backend, which may repeat the request. `agent_id` names the sub-agent that sent it."""

    route: Route
    request: MessagesRequest
    caller: Caller
    request_id: str
    message_id: str
    session: str
    requested_tokens: int
    may_quote: bool = True
    agent_id: str = ""


async def read(body: bytes, limits: RequestLimits, *, counting: bool = False) -> MessagesRequest:
    """The request in this body, checked. Raises ApiError. A large one is read in a thread."""
    if len(body) > LARGE:
        return await asyncio.to_thread(read_request, body, limits, counting=counting)
    return read_request(body, limits, counting=counting)


def forwarded_key(parts: RelayParts, caller: Caller, backend: BackendConfig) -> str:
    """The caller's own key, where a request of theirs would send it to this backend; else ""."""
    try:
        key, is_operators = authentication.credential(caller, backend, parts.keys)
    except ApiError:
        return ""
    return "" if is_operators else key


async def request_traits(
    parts: RelayParts, request: MessagesRequest, purpose: RequestPurpose
) -> RequestTraits:
    """What routing looks at. A large prompt is measured in a thread."""
    is_large = request.size > LARGE
    size = await asyncio.to_thread(prompt_size, request) if is_large else prompt_size(request)
    return RequestTraits(
        request_class=purpose.request_class,
        agent_type=purpose.agent_type,
        asks_to_think=bool(thinking.read_thinking(request).on),
        prompt=size,
        max_tokens=request.max_tokens,
        ratio=parts.learned.ratio,
    )


async def wait_for_lists(
    parts: RelayParts,
    model: str,
    caller: Caller,
    sticky: str,
    traits: RequestTraits | None = None,
) -> None:
    """Let the model lists arrive that decide where this name leads."""
    key_for = partial(forwarded_key, parts, caller)
    await parts.discovery.prepare(model, sticky or caller.fingerprint, key_for, traits)


def route_request(
    parts: RelayParts,
    request: MessagesRequest,
    caller: Caller,
    request_id: str,
    session: str,
    client: str = "",
    *,
    sticky: str = "",
    traits: RequestTraits | None = None,
    agent_id: str = "",
) -> RoutedRequest:
    """Find the route; `client` is the User-Agent. Raises ApiError: nothing has this name, or
    nothing takes a request like this one."""
    route = resolve.resolve(
        parts.snapshot.routes,
        request.model,
        sticky or session or caller.fingerprint,
        partial(authentication.may_use, caller),
        traits,
    )
    wanted = overrides.applied(request, route.overrides, client)
    message_id = f"msg_{mint()}"
    return RoutedRequest(
        route,
        wanted,
        caller,
        request_id,
        message_id,
        session,
        request.max_tokens,
        agent_id=agent_id,
    )


async def translate(
    parts: RelayParts, routed: RoutedRequest, target: Target, facts: ModelFacts | None = None
) -> ChatRequest:
    """What is sent to this target; `facts` are those of its model. Raises ApiError.

    Reading a PDF takes its time, and so does a large body: these are translated in a thread.
    """
    known = parts.learned.applied(target) if facts is None else facts
    has_file = parts.settings.pdf_text_extraction and has_pdf(routed.request)
    if has_file or routed.request.size > LARGE:
        return await asyncio.to_thread(_translate, parts, routed, target, known)
    return _translate(parts, routed, target, known)


def _translate(
    parts: RelayParts, routed: RoutedRequest, target: Target, facts: ModelFacts
) -> ChatRequest:
    settings = parts.settings
    options = TranslationOptions(
        settings.images_on_text_model,
        settings.strict_tool_pairing,
        settings.server_tools,
        resolve.tool_names(parts.snapshot.routes, target.model),
        parts.learned.bytes_per_token(target),
        pdf.text_of if settings.pdf_text_extraction else None,
        routed.route.overrides.extra,
        frozenset({"safeguards"}) if _safeguard_results(settings, routed) else frozenset(),
    )
    profile = for_model(family_of(facts, target), target.model)
    return to_chat(routed.request, target.model, profile, facts, options)


def family_of(facts: ModelFacts, target: Target) -> Profile:
    """The family as the operator set it for the model, else its backend's, else what replies gave
    away of a server of which nothing is known."""
    learnt = habits.value(facts.learnt, habits.FAMILY) if target.learns_family else None
    name = facts.family or learnt or ""
    return PROFILES.get(name, target.backend.profile)


async def upstream_request(
    parts: RelayParts, routed: RoutedRequest, target: Target, remedy: Remedy = NO_REMEDY
) -> UpstreamRequest:
    """The request for one target, with the changes of a remedy. Raises ApiError."""
    facts = parts.learned.applied(target, remedy.facts)
    chat = await translate(parts, routed, target, facts)
    trial = None if remedy.facts else parts.learned.trial(target, chat.learnt)
    if trial is not None:
        facts = replace(facts, learnt=facts.learnt - {trial.fact})
        chat = await translate(parts, routed, target, facts)
    if remedy.max_tokens is not None:
        chat = chat.with_max_tokens(remedy.max_tokens)
    outgoing = _upstream_request(parts, routed, target, chat, facts)
    return replace(outgoing, trial=trial) if trial else outgoing


def _upstream_request(
    parts: RelayParts, routed: RoutedRequest, target: Target, chat: ChatRequest, facts: ModelFacts
) -> UpstreamRequest:
    request = routed.request
    key, operators = authentication.credential(routed.caller, target.backend, parts.keys)
    error_context = ErrorContext(
        model=request.model,
        prompt_tokens=chat.prompt_tokens,
        max_tokens=request.max_tokens,
        context=target.facts.context or 0,
        operator_key=operators,
        added=chat.added,
        sent=chat.body,
        images_may_go=parts.settings.images_on_text_model != "error",
        may_stop_thinking=chat.may_stop_thinking,
        can_narrow=chat.can_narrow,
        may_quote=routed.may_quote,
        secrets=(key, target.backend.host),
    )
    conversation = (routed.caller.fingerprint, routed.session, target.backend.name, target.model)
    ratio = parts.learned.bytes_per_token(target)
    terms = _terms(parts.settings, routed, target, chat, facts, ratio)
    profile = for_model(family_of(facts, target), target.model)
    return UpstreamRequest(
        target=target,
        chat=chat,
        options=terms,
        error_context=error_context,
        key=key,
        conversation=conversation,
        agent_id=routed.agent_id,
        is_plain=not request.stream,
        facts=facts,
        profile=profile,
    )


def clamped(requested: int, chat: ChatRequest) -> list[str]:
    """What was lowered on the way to the backend: the longest answer, where it did not fit."""
    sent = chat.max_tokens or requested
    return [f"max_tokens {requested} to {sent}"] if sent < requested else []


def _written_calls(
    settings: RelaySettings, target: Target, chat: ChatRequest, facts: ModelFacts
) -> dict[str, JSON]:
    """The tools whose calls may stand in the answer's text, with their schemas.

    None where a quoted call could be taken for one: where no tool may be called, and where the
    backend reads calls itself. What the operator says of the model comes first.
    """
    profile = family_of(facts, target)
    allowed = facts.written_calls
    if allowed is None:
        native = facts.calls_natively or parses_calls(profile, facts)
        allowed = settings.text_tool_calls and not native
    if not allowed or chat.body.get("tool_choice") == "none":
        return {}
    return _schemas(chat)


def _schemas(chat: ChatRequest) -> dict[str, JSON]:
    """The tools' names at the backend, with the schemas of their arguments."""
    functions = (tool["function"] for tool in chat.body.get("tools", ()))
    return {function["name"]: function["parameters"] for function in functions}


def judge_model(settings: RelaySettings, routed: RoutedRequest) -> str:
    """The model that judges the tool calls of the answer; "" where none is to."""
    model = safeguards.judge_model(routed.route.overrides.safeguards or settings.safeguards)
    return model if model and safeguards.are_asked_for(routed.request.body) else ""


def _safeguard_results(settings: RelaySettings, routed: RoutedRequest) -> JSON:
    """What is answered to a request for verdicts on tool calls; None for nothing.

    A judge's verdicts come in its place at the end of the answer.
    """
    chosen = routed.route.overrides.safeguards or settings.safeguards
    if chosen == safeguards.OFF or not safeguards.are_asked_for(routed.request.body):
        return None
    return safeguards.unavailable(safeguards.NO_JUDGE)


def results_without_calls(settings: RelaySettings, routed: RoutedRequest) -> JSON:
    """The same for an answer of the gateway's own, which calls no tool."""
    if judge_model(settings, routed):
        return safeguards.available({})
    return _safeguard_results(settings, routed)


def _terms(
    settings: RelaySettings,
    routed: RoutedRequest,
    target: Target,
    chat: ChatRequest,
    facts: ModelFacts,
    ratio: float,
) -> StreamOptions:
    request = routed.request
    return StreamOptions(
        message_id=routed.message_id,
        request_id=routed.request_id,
        model=request.model,
        backend_model=target.facts.name,
        mint=mint,
        client_name=chat.names.to_client,
        schemas={chat.names.to_client(name): schema for name, schema in _schemas(chat).items()},
        used_ids=chat.used_ids,
        stop_sequences=request.stop_sequences,
        gateway_stops=chat.stops,
        prefill=chat.prefill,
        inline_thinking=inline_thinking(target.facts),
        written_calls=_written_calls(settings, target, chat, facts),
        one_call=chat.one_call,
        input_estimate=chat.prompt_tokens,
        bytes_per_token=ratio,
        max_tokens=request.max_tokens,
        sent_max_tokens=chat.max_tokens,
        context=target.facts.context or 0,
        omit_thinking=settings.honour_thinking_display and thinking.display(request) == "omitted",
        safeguard_results=_safeguard_results(settings, routed),
        context_management=request.body.get("context_management") is not None,
    )
