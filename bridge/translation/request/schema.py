"""What a valid Messages request is: limits, types, and the first fault as one sentence.

Checked is what the translation relies on, no more: unknown fields and unknown block types never
fail a request, since clients send new ones every month. A fault names its place the way the
vendor's API does (``messages.2.content.0.type: Field required``), so that its user finds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import (
    JSON,
    MAX_NODES,
    TooDeepError,
    TooManyNodesError,
    decode,
    depth_exceeds,
    encode,
    nodes_may_exceed,
)
from bridge.translation.sizes import (
    LONGEST_STOP,
    MAX_BLOCKS,
    MAX_STOPS,
    MAX_TOOLS,
    MOST_MESSAGES,
    check_blocks,
    check_name,
    counts_as_message,
    too_large,
)

Block = dict[str, JSON]

ROLES = ("user", "assistant", "system")
NOT_JSON = "Request body is not valid JSON"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Sizes above which a request is refused. Settings of the same names, in upper case.

    `max_messages` counts what people and models say, see `counts_as_message`.
    """

    max_messages: int = 1000
    max_content_bytes: int = 5 * 1024 * 1024
    max_json_depth: int = 100


class InputMessage(msgspec.Struct, frozen=True):
    """One turn as sent; string content has become one text block."""

    role: str
    content: tuple[Block, ...]
    effort: str | None = None
    clear_at: str | None = None


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A request that passed; `body` is the whole of it, for the fields read in one place only.

    `size`: bytes of its JSON.
    """

    model: str
    messages: tuple[InputMessage, ...]
    max_tokens: int
    stream: bool
    system: tuple[str, ...]
    tools: tuple[dict[str, JSON], ...]
    tool_choice: dict[str, JSON] | None
    stop_sequences: tuple[str, ...]
    body: dict[str, JSON]
    size: int = field(default=0, compare=False)


_STRING: tuple[type, ...] = (str,)
_OBJECT: tuple[type, ...] = (dict,)
_LIST: tuple[type, ...] = (list,)
_NUMBER: tuple[type, ...] = (int, float)
_WORDS: dict[tuple[type, ...], str] = {
    _STRING: "a valid string",
    _OBJECT: "an object",
    _LIST: "a valid array",
    _NUMBER: "a valid number",
    (int,): "a valid integer",
    (bool,): "a valid boolean",
    (str, list): "a string or an array of content blocks",
    (str, dict): "a string or an object",
}

_FIELDS: dict[str, tuple[type, ...]] = {
    "model": _STRING,
    "messages": _LIST,
    "stream": (bool,),
    "temperature": _NUMBER,
    "top_p": _NUMBER,
    "top_k": (int,),
    "stop_sequences": _LIST,
    "system": (str, list),
    "tools": _LIST,
    "tool_choice": _OBJECT,
    "thinking": _OBJECT,
    "output_config": _OBJECT,
    "output_format": _OBJECT,
    "metadata": _OBJECT,
    "mcp_servers": _LIST,
}
"""Top-level fields that are read, and what they may be; null always means absent."""

_BLOCK_FIELDS: dict[str, dict[str, tuple[type, ...]]] = {
    "text": {"text": _STRING},
    "image": {"source": _OBJECT},
    "document": {"source": _OBJECT},
    "thinking": {"thinking": _STRING},
    "tool_use": {"id": _STRING, "name": _STRING},
    "tool_result": {"tool_use_id": _STRING},
    "tool_reference": {"tool_name": _STRING},
}
"""Members without which a block of a known type has no meaning."""

_CHOICES = ("auto", "any", "tool", "none")


def fault(path: str, problem: str) -> ApiError:
    """The 400 for one place in the request."""
    return ApiError.invalid(f"{path}: {problem}")


def read_request(raw: bytes, limits: RequestLimits, *, counting: bool = False) -> MessagesRequest:
    """Decode and check a request body. `counting` is for count_tokens: no `max_tokens` there."""
    body = _decode(raw, limits)
    for name, types in _FIELDS.items():
        _check(body, name, types, name)
    _check_format((body.get("output_config") or {}).get("format"), "output_config.format")
    _check_format(body.get("output_format"), "output_format")
    if not body.get("model"):
        raise fault("model", "Field required")
    check_name(body["model"])
    if nodes_may_exceed(raw, MAX_BLOCKS):
        check_blocks(body)
    messages = _messages(body, limits)
    if len(raw) > limits.max_content_bytes:
        _check_content_size(messages, limits)
    tools = _tools(body)
    return MessagesRequest(
        model=body["model"],
        messages=messages,
        max_tokens=0 if counting else _max_tokens(body),
        stream=bool(body.get("stream")),
        system=_system(body.get("system") or ()),
        tools=tools,
        tool_choice=_tool_choice(body.get("tool_choice"), tools),
        stop_sequences=_stop_sequences(body.get("stop_sequences") or []),
        body=body,
        size=len(raw),
    )


def _decode(raw: bytes, limits: RequestLimits) -> dict[str, JSON]:
    try:
        body = decode(raw, replacement="")
        too_deep = depth_exceeds(body, limits.max_json_depth)
    except TooDeepError:
        too_deep = True
    except TooManyNodesError:
        message = f"Request body holds too many values (more than {MAX_NODES})"
        raise ApiError.invalid(message) from None
    except ValueError:
        raise ApiError.invalid(NOT_JSON) from None
    if too_deep:
        raise ApiError.invalid(
            f"Request body is nested too deeply (limit {limits.max_json_depth} levels; "
            "setting MAX_JSON_DEPTH)"
        )
    if not isinstance(body, dict):
        raise ApiError.invalid(NOT_JSON)
    return body


def _check(parent: dict[str, Any], name: str, types: tuple[type, ...], path: str) -> None:
    value = parent.get(name)
    if value is None or type(value) in types:
        return
    fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    if not fits:
        raise fault(path, f"Input should be {_WORDS[types]}")


def _require(parent: dict[str, Any], name: str, types: tuple[type, ...], path: str) -> None:
    if parent.get(name) is None:
        raise fault(f"{path}.{name}", "Field required")
    _check(parent, name, types, f"{path}.{name}")


def _check_format(form: JSON, path: str) -> None:
    if isinstance(form, dict) and form.get("type") == "json_schema":
        _require(form, "schema", _OBJECT, path)


def _max_tokens(body: dict[str, JSON]) -> int:
    value = body.get("max_tokens")
    if value is None:
        raise fault("max_tokens", "Field required")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise fault("max_tokens", "Input should be a valid integer")
    if value < 0:
        raise fault("max_tokens", "Input should be greater than or equal to 0")
    return value


# --- messages ---------------------------------------------------------------------------------


def _messages(body: dict[str, JSON], limits: RequestLimits) -> tuple[InputMessage, ...]:
    messages = body.get("messages")
    if messages is None:
        raise fault("messages", "Field required")
    if not messages:
        raise fault("messages", "at least one message is required")
    if len(messages) > MOST_MESSAGES:
        raise fault("messages", f"too many messages ({len(messages)} > {MOST_MESSAGES})")
    checked = tuple(_message(message, f"messages.{i}") for i, message in enumerate(messages))
    counted = len(checked)
    if counted > limits.max_messages:
        counted = sum(counts_as_message(message.role, message.content) for message in checked)
    if counted > limits.max_messages:
        count = f"{counted} > {limits.max_messages}"
        raise fault("messages", f"too many messages ({count}; setting MAX_MESSAGES)")
    return checked


def _message(message: JSON, path: str) -> InputMessage:
    if not isinstance(message, dict):
        raise fault(path, "Input should be an object")
    role = message.get("role")
    if role not in ROLES:
        raise fault(f"{path}.role", "Input should be 'user', 'assistant' or 'system'")
    _check(message, "output_config", _OBJECT, f"{path}.output_config")
    config = message.get("output_config") or {}
    content = message.get("content")
    if content is None and role == "system" and config:
        content = ()
    effort, clear_at = config.get("effort"), message.get("clear_at")
    return InputMessage(
        role,
        _content(content, f"{path}.content"),
        effort if isinstance(effort, str) else None,
        clear_at if isinstance(clear_at, str) else None,
    )


def _content(content: JSON, path: str) -> tuple[Block, ...]:
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    if not isinstance(content, (list, tuple)):
        raise fault(path, "Input should be a string or an array of content blocks")
    for i, block in enumerate(content):
        _check_block(block, f"{path}.{i}")
    return tuple(content)


def _check_block(block: JSON, path: str) -> None:
    if not isinstance(block, dict):
        raise fault(path, "Input should be an object")
    kind = block.get("type")
    if kind is None:
        raise fault(f"{path}.type", "Field required")
    if not isinstance(kind, str):
        raise fault(f"{path}.type", "Input should be a valid string")
    for name, types in _BLOCK_FIELDS.get(kind, {}).items():
        if type(block.get(name)) not in types:
            _require(block, name, types, path)
    if kind == "tool_use" and not block["name"]:
        raise fault(f"{path}.name", "String should have at least 1 character")
    if kind == "tool_result" and block.get("content") is not None:
        inner = block["content"]
        _content([inner] if isinstance(inner, dict) else inner, f"{path}.content")


def has_pdf(request: MessagesRequest) -> bool:
    """Whether any document of the request stands in base64, directly or in a tool result."""
    return any(_is_pdf(block) for message in request.messages for block in message.content)


def _is_pdf(block: Block) -> bool:
    if block.get("type") == "tool_result":
        return any(_is_pdf(inner) for inner in inner_blocks(block.get("content")))
    return block.get("type") == "document" and bool(block["source"].get("type") == "base64")


def inner_blocks(content: JSON) -> tuple[Block, ...]:
    """The blocks inside a block, whose content may be absent, a string or a list."""
    if isinstance(content, str):
        return ({"type": "text", "text": content},)
    if isinstance(content, dict) and isinstance(content.get("type"), str):
        return (content,)
    items = content if isinstance(content, (list, tuple)) else ()
    texts = ({"type": "text", "text": i} if isinstance(i, str) else i for i in items)
    return tuple(item for item in texts if isinstance(item, dict))


def _check_content_size(messages: tuple[InputMessage, ...], limits: RequestLimits) -> None:
    size = sum(block_size(block) for message in messages for block in message.content)
    if size > limits.max_content_bytes:
        raise too_large(size, limits.max_content_bytes)


def block_size(block: Block) -> int:
    """Bytes of text, tool input and tool results; media do not count."""
    match block.get("type"):
        case "text":
            return len(block["text"].encode())
        case "tool_use":
            return len(encode(block.get("input")))
        case "tool_result":
            return sum(block_size(inner) for inner in inner_blocks(block.get("content")))
    return 0


def _system(system: JSON) -> tuple[str, ...]:
    if isinstance(system, str):
        return (system,)
    return tuple(_system_texts(system))


def _system_texts(blocks: list[JSON]) -> Iterator[str]:
    for i, block in enumerate(blocks):
        _check_block(block, f"system.{i}")
        if block["type"] == "text":
            yield block["text"]


# --- tools and stop sequences -----------------------------------------------------------------


def _tools(body: dict[str, JSON]) -> tuple[dict[str, JSON], ...]:
    tools = body.get("tools") or []
    if len(tools) > MAX_TOOLS:
        raise fault("tools", f"too many tools ({len(tools)} > {MAX_TOOLS})")
    seen: set[str] = set()
    for i, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise fault(f"tools.{i}", "Input should be an object")
        _check(tool, "type", _STRING, f"tools.{i}.type")
        if is_custom(tool):
            _require(tool, "name", _STRING, f"tools.{i}")
        if tool.get("name") == "":
            raise fault(f"tools.{i}.name", "String should have at least 1 character")
        _check(tool, "input_schema", _OBJECT, f"tools.{i}.input_schema")
        _check(tool, "name", _STRING, f"tools.{i}.name")
        _check(tool, "description", _STRING, f"tools.{i}.description")
        name = tool.get("name")
        if name in seen:
            raise fault("tools", "Tool names must be unique.")
        if name is not None:
            seen.add(name)
    return tuple(tools)


def is_custom(tool: dict[str, JSON]) -> bool:
    """A tool that the client defines itself, with its own schema."""
    return (tool.get("type") or "custom") == "custom"


def _tool_choice(choice: JSON, tools: tuple[dict[str, JSON], ...]) -> dict[str, JSON] | None:
    if choice is None:
        return None
    if choice.get("type") not in _CHOICES:
        raise fault("tool_choice.type", "Input should be 'auto', 'any', 'tool' or 'none'")
    if choice["type"] == "tool":
        _require(choice, "name", _STRING, "tool_choice")
        if not any(choice["name"] == tool.get("name") for tool in tools):
            raise fault("tool_choice.name", f"Tool '{choice['name']}' not found in provided tools")
    return dict(choice)


def _stop_sequences(sequences: list[JSON]) -> tuple[str, ...]:
    if len(sequences) > MAX_STOPS:
        count = f"{len(sequences)} > {MAX_STOPS}"
        raise fault("stop_sequences", f"too many stop sequences ({count})")
    for i, sequence in enumerate(sequences):
        if isinstance(sequence, str) and len(sequence) > LONGEST_STOP:
            problem = f"String should have at most {LONGEST_STOP} characters"
            raise fault(f"stop_sequences.{i}", problem)
        if not isinstance(sequence, str):
            raise fault(f"stop_sequences.{i}", "Input should be a valid string")
    return tuple(dict.fromkeys(s for s in sequences if s.strip()))
