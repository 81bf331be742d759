"""What the strictest of backends refuses in a chat request, and what must reach none of them."""

import json
from typing import Any

from tests.fakes.chunks import Json

FOREIGN = (
    "cache_control",
    "x-anthropic-billing-header",
    "DeferredToolPlaceholder",
    "tool_reference",
    "input_schema",
    "tool_use_id",
    '"signature"',
    "defer_loading",
)


def check_chat_request(raw: bytes) -> Json:
    """The body, if a strict backend would take it."""
    text = raw.decode()
    for word in FOREIGN:
        assert word not in text, f"{word} reached the backend"
    body: Json = json.loads(text)
    assert None not in body.values(), f"null members in {sorted(body)}"
    _check_tools(body.get("tools"))
    _check_roles(body["messages"])
    _check_pairing(body["messages"])
    return body


def _check_tools(tools: Any) -> None:
    if tools is None:
        return
    assert tools, "an empty list of tools"
    assert all(tool["type"] == "function" for tool in tools)
    names = [tool["function"]["name"] for tool in tools]
    assert len(names) == len(set(names)), "two tools of one name"
    assert all(tool["function"]["parameters"].get("type") == "object" for tool in tools)


def _check_roles(messages: list[Json]) -> None:
    roles = [message["role"] for message in messages]
    assert "system" not in roles[1:], "a system message that is not the first"
    assert set(roles) <= {"system", "user", "assistant", "tool"}
    spoken = [role for role in roles if role != "tool"]
    repeated = [pair for pair in zip(spoken, spoken[1:], strict=False) if pair[0] == pair[1]]
    assert ("user", "user") not in repeated, "two user messages in a row"
    assert all(message.get("content") is not None for message in messages), "content is null"


def _check_pairing(messages: list[Json]) -> None:
    """Every call is answered, in the messages right behind it, once, under an id of its own."""
    seen: set[str] = set()
    open_calls: set[str] = set()
    for message in messages:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_calls, "a result without its call"
            open_calls.remove(message["tool_call_id"])
            continue
        assert not open_calls, f"unanswered calls {open_calls}"
        for call in message.get("tool_calls", []):
            assert call["type"] == "function"
            assert call["id"] and call["id"] not in seen, f"call id {call['id']!r} twice"
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            seen.add(call["id"])
            open_calls.add(call["id"])
    assert not open_calls, f"unanswered calls {open_calls}"
