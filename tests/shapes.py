"""The single parts of a message stream: what one event, one block, one count must look like.

Nothing here knows about order; `grammar.py` does.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

Json = dict[str, Any]


class GrammarError(AssertionError):
    """The stream is not what clients expect."""


MESSAGE_ID = re.compile(r"msg_[A-Za-z0-9]+")
TOOL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
USAGE_FIELDS = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
STOP_REASONS = {
    "end_turn",
    "max_tokens",
    "model_context_window_exceeded",
    "refusal",
    "stop_sequence",
    "tool_use",
}
CUT = {"max_tokens", "model_context_window_exceeded"}
ERROR_TYPES = {
    "api_error",
    "authentication_error",
    "billing_error",
    "conflict_error",
    "invalid_request_error",
    "not_found_error",
    "not_supported",
    "overloaded_error",
    "permission_error",
    "rate_limit_error",
    "request_too_large",
    "timeout_error",
}
# kind of block -> what its start must hold: all content travels in deltas
EMPTY_BLOCKS: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


def fail(fault: str) -> NoReturn:
    raise GrammarError(fault)


def require(condition: object, fault: str) -> None:
    if not condition:
        fail(fault)


def check_start(event: Mapping[str, Any]) -> Json:
    """The message as message_start shows it: complete in form, empty in content."""
    message = event.get("message")
    if not isinstance(message, dict):
        fail(f"message_start without a message: {event}")
    expected: Json = {
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    for name, value in expected.items():
        require(name in message, f"message_start lacks {name}")
        require(message[name] == value, f"message_start has {name} {message[name]!r}")
    identity = message.get("id")
    require(isinstance(identity, str) and MESSAGE_ID.fullmatch(identity), f"id {identity!r}")
    require(isinstance(message.get("model"), str) and message["model"], "no model")
    check_usage(message.get("usage"))
    return {**message, "content": []}


def check_block_start(block: Any, before: list[Json]) -> Json:
    """A new block, which must be empty and, for a tool call, newly identified."""
    require(isinstance(block, dict) and block.get("type") in EMPTY_BLOCKS, f"unknown block {block}")
    for name, empty in EMPTY_BLOCKS[block["type"]].items():
        require(name in block, f"{block['type']} block starts without {name}")
        require(block[name] == empty, f"{block['type']} block starts with {name} {block[name]!r}")
    if block["type"] != "tool_use":
        return dict(block)
    identity, name = block.get("id"), block.get("name")
    require(isinstance(identity, str) and TOOL_ID.fullmatch(identity), f"tool id {identity!r}")
    require(identity not in [other.get("id") for other in before], f"tool id {identity} twice")
    require(isinstance(name, str) and name, "a tool call without a name")
    return {**block, "input": ""}


def check_stop(delta: Any, content: list[Json]) -> Json:
    """The end of the message: a known reason that agrees with what the message holds."""
    require(isinstance(delta, dict), f"message_delta without a delta: {delta!r}")
    reason = delta.get("stop_reason")
    require(reason in STOP_REASONS, f"stop_reason {reason!r}")
    require("stop_sequence" in delta, "message_delta lacks stop_sequence")
    sequence = delta["stop_sequence"]
    require(
        isinstance(sequence, str) if reason == "stop_sequence" else sequence is None,
        f"stop_sequence {sequence!r} with {reason}",
    )
    details = delta.get("stop_details")
    require(
        isinstance(details, dict) and details.get("type") == "refusal"
        if reason == "refusal"
        else details is None,
        f"stop_details {details!r} with {reason}",
    )
    calls = [block for block in content if block["type"] == "tool_use"]
    require(calls or reason != "tool_use", "tool_use without a tool call")
    require(not calls or reason != "end_turn", "end_turn with a tool call")
    require(content or reason in CUT, "an empty message that was not cut")
    return dict(delta)


def check_usage(usage: Any) -> Json:
    """Four counts, none of them missing, null, negative or fractional."""
    require(isinstance(usage, dict), f"usage {usage!r}")
    for name in USAGE_FIELDS:
        count = usage.get(name)
        require(type(count) is int and count >= 0, f"usage.{name} is {count!r}")
    return dict(usage)


def check_error(event: Mapping[str, Any]) -> Json:
    """The payload of an error, which is the same in a stream as in a reply of its own."""
    error = event.get("error")
    if not isinstance(error, dict):
        fail(f"error without an error object: {event}")
    require(event.get("type") == "error", f"envelope of type {event.get('type')!r}")
    require(error.get("type") in ERROR_TYPES, f"error of type {error.get('type')!r}")
    require(isinstance(error.get("message"), str) and error["message"], "error without a message")
    request_id = event.get("request_id")
    require(isinstance(request_id, str) and request_id.startswith("req_"), f"id {request_id!r}")
    return dict(event)


def settle_inputs(content: list[Json], reason: str) -> None:
    """Parse the arguments of the calls; only those of a cut message may be broken off."""
    for block in content:
        if block["type"] != "tool_use":
            continue
        try:
            value = json.loads(block["input"])
        except ValueError:
            require(reason in CUT, f"arguments are not JSON: {block['input']!r}")
            continue
        require(isinstance(value, dict), f"arguments are not an object: {block['input']!r}")
        block["input"] = value


def check_message(message: Any) -> Json:
    """A plain reply: a whole message, of which no member that clients read is missing or null."""
    require(isinstance(message, dict), f"message {message!r}")
    content = message.get("content")
    require(isinstance(content, list), f"content {content!r}")
    check_start({"message": {**message, "content": [], "stop_reason": None, "stop_sequence": None}})
    for place, block in enumerate(content):
        check_block(block, content[:place])
    check_stop(message, content)
    return dict(message)


def check_block(block: Any, before: list[Json]) -> None:
    """A finished block of a plain reply."""
    require(isinstance(block, dict) and block.get("type") in EMPTY_BLOCKS, f"unknown block {block}")
    for name, empty in EMPTY_BLOCKS[block["type"]].items():
        require(type(block.get(name)) is type(empty), f"{name} is {block.get(name)!r}")
    require(block["type"] != "thinking" or block["signature"], "thinking without a signature")
    check_block_start({**block, **EMPTY_BLOCKS[block["type"]]}, before)
