"""Small requests for tests: the bodies that clients send, and what becomes of them."""

from __future__ import annotations

import json
from typing import Any

from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.schema import MessagesRequest, RequestLimits, read_request
from bridge.translation.request.translate import ChatRequest, TranslationOptions, to_chat
from tests.shapes import Json

PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""
PNG_URL = f"data:image/png;base64,{PNG}"


def user(*content: Json | str, **more: Any) -> Json:
    return _message("user", content) | more


def assistant(*content: Json | str, **more: Any) -> Json:
    return _message("assistant", content) | more


def system(*content: Json | str, **more: Any) -> Json:
    return _message("system", content) | more


def _message(role: str, content: tuple[Json | str, ...]) -> Json:
    """A lone string is sent as a string, anything else as blocks."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": role, "content": content[0]}
    return {"role": role, "content": [text(c) if isinstance(c, str) else c for c in content]}


def text(words: str, **more: Any) -> Json:
    return {"type": "text", "text": words, **more}


def thinking(words: str) -> Json:
    return {"type": "thinking", "thinking": words, "signature": "gw1.x"}


def call(identity: str, name: str = "A", arguments: Any = None) -> Json:
    given = {} if arguments is None else arguments
    return {"type": "tool_use", "id": identity, "name": name, "input": given}


def result(identity: str, *content: Json | str, **more: Any) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": identity, **more}
    if content:
        block["content"] = _message("user", content)["content"]
    return block


def image(**source: Any) -> Json:
    given = source or {"type": "base64", "media_type": "image/png", "data": PNG}
    return {"type": "image", "source": given}


def tool(name: str, **more: Any) -> Json:
    return {"name": name, "input_schema": {"type": "object", "properties": {}}, **more}


def ask(**fields: Any) -> MessagesRequest:
    """A checked request: the given fields over the smallest valid body."""
    body = {"model": "claude-x", "max_tokens": 100, "messages": [user("hi")]} | fields
    return read_request(json.dumps(body).encode(), RequestLimits())


def to_backend(
    profile: str = "generic",
    facts: ModelFacts | None = None,
    options: TranslationOptions | None = None,
    **fields: Any,
) -> ChatRequest:
    """What becomes of a request at a backend of that profile."""
    known = facts or ModelFacts("backend/model")
    return to_chat(
        ask(**fields), "backend/model", PROFILES[profile], known, options or TranslationOptions()
    )


def sent_messages(*messages: Json, profile: str = "generic", **fields: Any) -> list[Json]:
    """The chat messages that this conversation becomes."""
    sent: list[Json] = to_backend(profile, messages=list(messages), **fields).body["messages"]
    return sent


def up_call(identity: str, name: str = "A", arguments: str = "{}") -> Json:
    """A tool call as chat completions write it."""
    return {
        "id": identity,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def up_calls(*calls: Json, content: str = "", **more: Any) -> Json:
    """An assistant message with tool calls, as chat completions write it."""
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def up_result(identity: str, content: str) -> Json:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def up_user(content: str | list[Json]) -> Json:
    return {"role": "user", "content": content}


def up_image(url: str = PNG_URL) -> Json:
    return {"type": "image_url", "image_url": {"url": url}}


GONE: list[Any] = []
"""What is left of a message that vanished."""


def as_user(*blocks: Json | str, **how: Any) -> Any:
    """Content of the user message that these blocks become; nothing when there is none."""
    messages = sent_messages(user("q"), assistant("a"), user(*blocks), **how)
    return messages[2]["content"] if len(messages) == 3 else GONE


def as_assistant(*blocks: Json | str, **how: Any) -> Any:
    """Content of the assistant message that these blocks become."""
    messages = sent_messages(user("q"), assistant(*blocks), user("z"), **how)
    return messages[1]["content"] if len(messages) == 3 else GONE


def in_result(*blocks: Json | str, **how: Any) -> Any:
    """Content of the tool message that these blocks become."""
    messages = sent_messages(user("q"), assistant(call("t")), user(result("t", *blocks)), **how)
    return messages[2]["content"]
