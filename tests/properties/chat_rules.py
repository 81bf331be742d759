"""What every chat backend demands of a request, whatever the client sent."""

from __future__ import annotations

import json
from typing import Any

from tests.shapes import Json


def check_chat(body: Json) -> None:
    """Roles in a legal order, nothing empty, every call answered once, tools well named."""
    assert all(value is not None for value in body.values()), "a null member"
    _check_turns(body["messages"])
    _check_calls(body["messages"])
    _check_tools(body)
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
    assert len(limits) == 1 and limits[0] >= 0


def _check_turns(messages: list[Json]) -> None:
    roles = [message["role"] for message in messages]
    assert set(roles) - {"system"}, "nobody speaks"
    assert "system" not in roles[1:], "a system message that is not the first"
    assert set(roles) <= {"system", "user", "assistant", "tool"}
    for before, after in zip(roles, roles[1:], strict=False):
        assert before == "tool" or before != after, f"{before} twice in a row"
    for message in messages:
        assert message["content"] or message.get("tool_calls"), f"empty: {message}"
        if message["role"] != "user":
            assert isinstance(message["content"], str)
        _check_parts(message["content"])


def _check_parts(content: Any) -> None:
    if isinstance(content, str):
        return
    for part in content:
        own = {"text": "text", "image_url": "image_url", "file": "file"}[part["type"]]
        assert part[own], f"an empty part: {part}"


def _check_calls(messages: list[Json]) -> None:
    waiting: list[str] = []
    seen: set[str] = set()
    for message in [*messages, {"role": "end"}]:
        if message["role"] == "tool":
            waiting.remove(message["tool_call_id"])
            continue
        assert not waiting, f"unanswered: {waiting}"
        waiting = [call["id"] for call in message.get("tool_calls", [])]
        for call in message.get("tool_calls", []):
            assert call["id"] and call["id"] not in seen
            seen.add(call["id"])
            assert call["type"] == "function" and call["function"]["name"]
            assert isinstance(json.loads(call["function"]["arguments"]), dict)


def _check_tools(body: Json) -> None:
    if "tools" not in body:
        assert not {"tool_choice", "parallel_tool_calls"} & body.keys()
        return
    assert body["tools"], "an empty list of tools"
    names = [tool["function"]["name"] for tool in body["tools"]]
    assert all(tool["type"] == "function" for tool in body["tools"])
    assert len(set(names)) == len(names), "two tools of one name"
    choice = body.get("tool_choice")
    if isinstance(choice, dict):
        assert choice["function"]["name"] in names
    else:
        assert choice in (None, "auto", "none", "required")
