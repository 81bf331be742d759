"""A Messages request -> a chat request.

Order of work: system, conversation, tools, sampling, thinking, output format, stream options.
Fields that have no counterpart are left out and named, so that nobody wonders; three that would
change the meaning of the conversation if they were ignored are refused instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import Fact
from bridge.translation.json import JSON, encode, encode_text
from bridge.translation.profiles import ModelFacts, Profile, with_facts
from bridge.translation.request import optional, system, thinking
from bridge.translation.request.blocks import BlockContext, to_pieces
from bridge.translation.request.conversation import EMPTY, to_chat_messages
from bridge.translation.request.optional import Translated, made_a_difference
from bridge.translation.request.overrides import merged
from bridge.translation.request.parts import ChatTurn, Part, SummaryPart, TextPart, join_texts
from bridge.translation.request.schema import InputMessage, MessagesRequest
from bridge.translation.request.tools import ToolNames, narrowed, to_toolbox
from bridge.translation.tokens import BYTES_PER_TOKEN, estimate, measure

SMALLEST_CLAMP = 256
CONTEXT_MARGIN = 32

NO_PREFILL = (
    "This model does not support assistant prefill; end the conversation with a user message"
)

_DROPPED = (
    "speed",
    "inference_geo",
    "container",
    "diagnostics",
    "context_management",
    "cache_control",
    "billing_policy",
    "fallbacks",
    "fallback_credit_token",
    "safeguards",
    "tags",
    "user_profile_id",
)
"""Top-level fields without a counterpart: the request is served without them."""

_READ = (
    "model messages max_tokens stream temperature top_p top_k stop_sequences system tools "
    "tool_choice thinking output_config output_format metadata mcp_servers thread compaction "
    "service_tier anthropic_version anthropic_beta betas"
)
_KNOWN = frozenset(_READ.split()) | frozenset(_DROPPED)
_LONGEST_NAME, _MOST_NAMES = 60, 20
"""Of fields that nobody knows, which are named as well."""

_ANSWER = "Answer with one JSON object that fits this schema: "
_FINAL_ANSWER = (
    "Use the tools as you need them. When you answer without calling a tool, the whole answer is "
    "one JSON object that fits this schema, with no other text: "
)
"""Instead of a response format: beside tools most servers let it forbid every call."""

_TIERS = {"auto": "auto", "standard_only": "default"}

_REFUSED: tuple[tuple[str, str | None], ...] = (
    ("mcp_servers", None),
    ("thread", "thread_unsupported_request"),
    ("compaction", None),
)
"""Fields that cannot be ignored, with the error code that tells the SDKs how to go on."""


@dataclass(frozen=True, slots=True)
class TranslationOptions:
    """Choices of the operator, and what routing found out. Settings of the same names.

    tool_names      backend tool name -> client tool name
    pdf_text        reads a PDF, see `blocks.Site`
    extra           fields that the operator adds to the chat request
    bytes_per_token what this model's reports taught so far
    answered        top-level fields that the gateway itself answers: these are not dropped
    """

    images_on_text_model: str = "placeholder"
    strict_tool_pairing: bool = False
    server_tools: str = "auto"
    tool_names: Mapping[str, str] = field(default_factory=dict)
    bytes_per_token: float = BYTES_PER_TOKEN
    pdf_text: Callable[[str], str] | None = None
    extra: Mapping[str, JSON] = field(default_factory=dict)
    answered: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What goes to the backend, and what its answer will need.

    prompt_tokens    an estimate by size, of `text_bytes` of text and `media` images or files
    size             bytes of the body's JSON
    prefill          what the backend will repeat at the start of its answer
    stops            sequences that the gateway looks for itself
    learnt           facts without which another request would have been sent
    can_narrow       its schemas could be narrowed;  may_stop_thinking  thinking could be off
    """

    body: dict[str, JSON]
    names: ToolNames
    dropped: tuple[str, ...]
    used_ids: frozenset[str]
    stops: tuple[str, ...]
    prefill: str
    one_call: bool
    prompt_tokens: int
    text_bytes: int
    media: int
    size: int = 0
    learnt: tuple[Fact, ...] = ()
    can_narrow: bool = False
    may_stop_thinking: bool = False

    @property
    def max_tokens(self) -> int:
        """The longest answer that the backend is asked for; 0 where none is set."""
        return int(self.body.get("max_tokens") or self.body.get("max_completion_tokens") or 0)

    @property
    def added(self) -> frozenset[str]:
        """The optional fields that this request carries, also those inside others."""
        return optional.names(self.body)

    def with_max_tokens(self, limit: int) -> ChatRequest:
        """The same request with a smaller limit."""
        name = "max_tokens" if "max_tokens" in self.body else "max_completion_tokens"
        return replace(self, body={**self.body, name: limit})


def to_chat(
    request: MessagesRequest,
    model: str,
    profile: Profile,
    facts: ModelFacts,
    options: TranslationOptions,
) -> ChatRequest:
    """Translate; `model` is the backend's name. Raises ApiError for what cannot be honoured."""
    _refuse(request)
    profile = with_facts(profile, facts)
    names = ToolNames(profile.tool_name_limit, options.tool_names)
    tool_fields = to_toolbox(request, profile, names, options.server_tools)
    refuses = options.images_on_text_model == "error"
    context = BlockContext(profile, facts, refuses, names.to_backend, options.pdf_text)
    messages = _messages(request, profile, context, options.strict_tool_pairing)
    body: dict[str, JSON] = {"model": model, "messages": messages, **tool_fields.fields}
    dropped = [*_unsent(request, options.answered), *tool_fields.dropped, *context.dropped]
    sent_stops, own_stops = _split_stops(request.stop_sequences, profile)
    if sent_stops:
        body["stop"] = list(sent_stops)
    dropped += _add_optional(body, request, profile, facts)
    left_out = facts.refused & optional.names(body)
    if left_out:
        body = optional.without(body, facts.refused)
        dropped += sorted(left_out & optional.CLIENTS)
    body = merged(body, options.extra)
    body["stream"] = False
    # Measured as a plain request: how the answer is sent changes nothing of the prompt.
    size = len(encode(body))
    text_bytes, media = measure(body, size)
    prompt = estimate(text_bytes, media, options.bytes_per_token)
    left_out |= _add_stream(body, request.stream or profile.stream_only, facts)
    body[profile.max_tokens_field] = clamp(request.max_tokens, prompt, facts)
    named = tuple(dict.fromkeys(dropped))
    return ChatRequest(
        body=body,
        names=names,
        dropped=named,
        used_ids=_tool_ids(request),
        stops=own_stops,
        prefill=_echoed(messages, profile),
        one_call=tool_fields.one_call,
        prompt_tokens=prompt,
        text_bytes=text_bytes,
        media=media,
        size=size,
        learnt=made_a_difference(facts.learnt, Translated(request, body, named, left_out)),
        can_narrow=not profile.schema_strip and not {"tools", "response_format"}.isdisjoint(body),
        may_stop_thinking=_may_stop_thinking(body, profile, facts),
    )


def _add_optional(
    body: dict[str, JSON], request: MessagesRequest, profile: Profile, facts: ModelFacts
) -> list[str]:
    """Sampling, thinking, the output's format and a prefill; returns what is not sent of them."""
    sampling, account = _sampling(request, profile), _account(request, profile)
    switches = thinking.switches(request, profile, facts)
    body.update(sampling.sent | account.sent | switches)
    body.update(_output_format(request, profile, facts, body))
    body.update(_prefill(body, profile))
    unsent = "" if switches else thinking.unsent(request)
    return [*sampling.dropped, *account.dropped, *filter(None, (unsent,))]


def _add_stream(body: dict[str, JSON], stream: bool, facts: ModelFacts) -> frozenset[str]:
    """How the answer is to be sent; returns what is not sent for it."""
    body["stream"] = stream
    if not stream:
        return frozenset()
    if "stream_options" in facts.refused:
        return frozenset({"stream_options"})
    body["stream_options"] = {"include_usage": True}
    return frozenset()


def _may_stop_thinking(body: dict[str, JSON], profile: Profile, facts: ModelFacts) -> bool:
    """Whether the family has a switch for thinking that is not off yet."""
    return any(body.get(name) != value for name, value in thinking.off(profile, facts).items())


def _unsent(request: MessagesRequest, answered: frozenset[str]) -> list[str]:
    """Names of what the request holds, no backend takes and the gateway does not answer."""
    body = request.body
    there = {name for name, value in body.items() if value is not None}
    names = [name for name in _DROPPED if name in there and name not in answered]
    unknown = [name for name in body if name in there and name not in _KNOWN]
    names += [name[:_LONGEST_NAME] for name in unknown[:_MOST_NAMES]]
    if (body.get("output_config") or {}).get("task_budget") is not None:
        names.append("output_config.task_budget")
    return names


def _refuse(request: MessagesRequest) -> None:
    for name, code in _REFUSED:
        if request.body.get(name):
            raise ApiError.invalid(f"{name}: not supported by this gateway", error_code=code)


def clamp(max_tokens: int, prompt: int, facts: ModelFacts) -> int:
    """The output limit that this model can honour behind a prompt of that size."""
    if facts.longest_answer:
        max_tokens = min(max_tokens, facts.longest_answer)
    if facts.context:
        room = facts.context - prompt - CONTEXT_MARGIN
        if room >= SMALLEST_CLAMP:
            max_tokens = min(max_tokens, room)
    return max_tokens


# --- messages ---------------------------------------------------------------------------------


def _messages(
    request: MessagesRequest, profile: Profile, context: BlockContext, strict: bool
) -> list[dict[str, JSON]]:
    turns, early = _turns(request.messages, profile, context)
    leading = system.leading_system(request.system, early)
    chat = to_chat_messages(turns, profile, strict)
    return [{"role": "system", "content": leading}, *chat] if leading else chat


def _turns(
    messages: tuple[InputMessage, ...], profile: Profile, context: BlockContext
) -> tuple[list[ChatTurn], list[str]]:
    """The turns of both sides, and the texts that join the leading system message."""
    turns: list[ChatTurn] = []
    early: list[str] = []
    answered = False
    last_of_user = max((i for i, m in enumerate(messages) if m.role == "user"), default=-1)
    for i, message in enumerate(messages):
        context.role = message.role
        path = f"messages.{i}"
        if message.role != "system":
            answered = answered or message.role == "assistant"
            turns += _own_turns(message, context, path)
            continue
        text = "" if system.expired(message, i < last_of_user) else system.message_text(message)
        if text and (not answered or profile.inline_system == "merge"):
            early.append(text)
        elif text:
            instruction = system.later_instruction(text, profile.inline_system)
            turns.append(ChatTurn("user", path, [instruction]))
    return turns, early


def _own_turns(message: InputMessage, context: BlockContext, path: str) -> list[ChatTurn]:
    """A message's turn; a summary of what was before is the user's, wherever it stands."""
    pieces = to_pieces(message.content, context, path)
    turns = [ChatTurn(message.role, path, [p for p in pieces if not isinstance(p, SummaryPart)])]
    own_parts: list[Part] = [TextPart(p.text) for p in pieces if isinstance(p, SummaryPart)]
    return [ChatTurn("user", path, own_parts), *turns] if own_parts else turns


def _tool_ids(request: MessagesRequest) -> frozenset[str]:
    blocks = (block for message in request.messages for block in message.content)
    return frozenset(block["id"] for block in blocks if block["type"] == "tool_use")


# --- the other fields -------------------------------------------------------------------------


class _Fields(NamedTuple):
    """Fields for the backend, and names of those of the request that it does not take."""

    sent: dict[str, JSON]
    dropped: tuple[str, ...] = ()


def _sampling(request: MessagesRequest, profile: Profile) -> _Fields:
    body, sent = request.body, dict[str, JSON]()
    if (temperature := body.get("temperature")) is not None:
        sent["temperature"] = min(max(temperature, 0), 2)
    if (top_p := body.get("top_p")) is not None:
        sent["top_p"] = top_p
    if (top_k := body.get("top_k")) is None:
        return _Fields(sent)
    if profile.takes_top_k and top_k > 0:
        return _Fields(sent | {"top_k": top_k})
    return _Fields(sent, ("top_k",))


def _account(request: MessagesRequest, profile: Profile) -> _Fields:
    """Who asks and at which tier, for the few backends that read it."""
    tier = _TIERS.get(str(request.body.get("service_tier")))
    user = (request.body.get("metadata") or {}).get("user_id")
    digest = hashlib.sha256(user.encode()).hexdigest() if isinstance(user, str) and user else ""
    fields = (
        ("service_tier", "service_tier", tier, profile.service_tiers),
        ("metadata", "user", digest[:16], profile.user_field),
    )
    sent = {name: value for _, name, value, is_taken in fields if value and is_taken}
    dropped = (asked for asked, _, value, is_taken in fields if value and not is_taken)
    return _Fields(sent, tuple(dropped))


def _split_stops(
    stops: tuple[str, ...], profile: Profile
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(for the backend, for the gateway): the backend only where it says which one matched."""
    limit = profile.stop_limit if profile.names_matched_stop else 0
    return stops[:limit], stops[limit:]


def _output_format(
    request: MessagesRequest, profile: Profile, facts: ModelFacts, body: dict[str, JSON]
) -> dict[str, JSON]:
    """The response format, a sentence that says the same, or both for a model that was seen to
    refuse the field: that is taken out later."""
    config = request.body.get("output_config") or {}
    form = config.get("format") or request.body.get("output_format")
    if not isinstance(form, dict) or form.get("type") != "json_schema":
        return {}
    schema = form.get("schema")
    if "tools" in body and not profile.schema_beside_tools:
        return {"messages": _with_last_instruction(body, _FINAL_ANSWER + encode_text(schema))}
    if profile.json_schema and "response_format" not in facts.refused:
        fitting = narrowed(schema) if profile.schema_strip else schema
        described = {"name": "output", "schema": fitting, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": described}}
    sentence = _FINAL_ANSWER if "tools" in body else _ANSWER
    messages = _with_last_instruction(body, sentence + encode_text(schema))
    return {"response_format": {"type": "json_object"}, "messages": messages}


def _with_last_instruction(body: dict[str, JSON], sentence: str) -> list[dict[str, JSON]]:
    """The messages with this sentence at the end of the system prompt."""
    first, rest = body["messages"][0], body["messages"][1:]
    if first["role"] != "system":
        return [{"role": "system", "content": sentence}, first, *rest]
    leading = {"role": "system", "content": join_texts([first["content"], sentence])}
    return [leading, *rest]


def _echoed(messages: list[dict[str, JSON]], profile: Profile) -> str:
    """The prefill, where the backend repeats it."""
    last = messages[-1]
    echoes = profile.prefill == "echo" and last["role"] == "assistant"
    return str(last["content"]) if echoes else ""


def _prefill(body: dict[str, JSON], profile: Profile) -> dict[str, JSON]:
    """A last message of the assistant asks to be continued."""
    last = body["messages"][-1]
    if last["role"] != "assistant":
        return {}
    if profile.prefill == "reject":
        raise ApiError.invalid(NO_PREFILL)
    if profile.prefill == "echo":
        return {}
    if profile.prefill == "continue":
        return {"continue_final_message": True, "add_generation_prompt": False}
    stripped = {**last, "content": last["content"].rstrip()}
    rest = body["messages"][:-1]
    if stripped["content"] or "tool_calls" in last:
        return {"messages": [*rest, stripped]}
    if all(message["role"] == "system" for message in rest):
        raise ApiError.invalid(EMPTY)
    return {"messages": rest}
