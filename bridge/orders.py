"""Making an order: a checked request, a caller and a snapshot -> what is sent, where, as whom."""

from __future__ import annotations

import asyncio

from django.conf import settings

from bridge import keys, pdf, routing
from bridge.attempts import Order
from bridge.gateway import Gateway
from bridge.ids import mint
from bridge.keys import Caller
from bridge.routing import Target
from bridge.translation import thinking
from bridge.translation.backend_errors import Asked
from bridge.translation.jsontext import JSON
from bridge.translation.profile import PROFILES, for_model, inline_thinking
from bridge.translation.request import ChatRequest, Manners, to_chat
from bridge.translation.schema import MessagesRequest, has_pdf
from bridge.translation.stream import Terms


async def translate(gateway: Gateway, request: MessagesRequest) -> tuple[Target, ChatRequest]:
    """Where the request goes, and what is sent there. Raises ApiError.

    Reading a PDF takes its time, so a request that brings one is translated in a thread.
    """
    if settings.PDF_TEXT_EXTRACTION and has_pdf(request):
        return await asyncio.to_thread(_translate, gateway, request)
    return _translate(gateway, request)


def _translate(gateway: Gateway, request: MessagesRequest) -> tuple[Target, ChatRequest]:
    routes = gateway.snapshot.routes
    target = routing.resolve(routes, request.model)[0]
    manners = Manners(
        settings.IMAGES_ON_TEXT_MODEL,
        settings.STRICT_TOOL_PAIRING,
        settings.SERVER_TOOLS,
        routing.tool_names(routes, target.model),
        gateway.lessons.bytes_per_token(target),
        pdf.text_of if settings.PDF_TEXT_EXTRACTION else None,
    )
    facts = gateway.lessons.applied(target)
    family = PROFILES.get(facts.dialect, target.backend.profile)
    profile = for_model(family, target.model)
    return target, to_chat(request, target.model, profile, facts, manners)


async def make_order(
    gateway: Gateway, request: MessagesRequest, caller: Caller, request_id: str
) -> Order:
    """The order for one request. Raises ApiError."""
    target, chat = await translate(gateway, request)
    key, operators = keys.credential(caller, target.backend, gateway.keys)
    asked = Asked(
        model=request.model,
        prompt_tokens=chat.prompt_tokens,
        max_tokens=request.max_tokens,
        context=target.facts.context or 0,
        operator_key=operators,
        added=chat.added,
        secrets=(key, target.backend.host),
        max_retry_after=settings.RETRY_AFTER_MAX,
    )
    return Order(target, chat, _terms(request, target, chat, request_id), asked, key)


def _written_calls(target: Target, chat: ChatRequest) -> dict[str, JSON]:
    """The tools whose calls may stand in the answer's text, with their schemas."""
    switch = target.facts.written_calls
    if switch is False or (switch is None and not settings.TEXT_TOOL_CALLS):
        return {}
    functions = (tool["function"] for tool in chat.body.get("tools", ()))
    return {function["name"]: function["parameters"] for function in functions}


def _terms(request: MessagesRequest, target: Target, chat: ChatRequest, request_id: str) -> Terms:
    return Terms(
        message_id=f"msg_{mint()}",
        request_id=request_id,
        model=request.model,
        mint=mint,
        client_name=chat.names.to_client,
        used_ids=chat.used_ids,
        stop_sequences=request.stop_sequences,
        gateway_stops=chat.stops,
        prefill=chat.prefill,
        inline_thinking=inline_thinking(target.facts),
        written_calls=_written_calls(target, chat),
        one_call=chat.one_call,
        input_estimate=chat.prompt_tokens,
        max_tokens=request.max_tokens,
        context=target.facts.context or 0,
        omit_thinking=settings.HONOUR_THINKING_DISPLAY and thinking.display(request) == "omitted",
        context_management=request.body.get("context_management") is not None,
    )
