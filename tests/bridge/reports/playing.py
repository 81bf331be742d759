"""What tests of reports share: both modes, and what a client is left with."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bridge.roads import Answer
from tests.fakes.chunks import delta
from tests.shapes import Json

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
_STRING = {"type": "string"}
_TODOS = {"type": "array", "items": {"type": "object"}}
BASH: Json = {
    "name": "Bash",
    "input_schema": {
        "type": "object",
        "properties": {"command": _STRING, "timeout": {"type": "integer"}},
        "required": ["command"],
    },
}
READ: Json = {
    "name": "Read",
    "input_schema": {
        "type": "object",
        "properties": {"file_path": _STRING},
        "required": ["file_path"],
    },
}
TODO: Json = {
    "name": "TodoWrite",
    "input_schema": {"type": "object", "properties": {"todos": _TODOS, "note": _STRING}},
}
TOOLS = [BASH, READ, TODO]
LS = {"name": "Bash", "input": {"command": "ls"}}
PWD = {"name": "Bash", "input": {"command": "pwd"}}
HELLO = {"text": "Hello there"}


def calls(*fragments: Json) -> Json:
    """A chunk with these fragments of calls."""
    return delta(tool_calls=list(fragments))


def fragment(name: str = "Bash", arguments: str = '{"command": "ls"}', **members: Any) -> Json:
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **members}


def message_of(answer: Answer) -> Json:
    """The message, or the error."""
    streamed = "event-stream" in answer.head.headers["content-type"]
    found: Json = answer.message if streamed else answer.json
    return found


def blocks_of(message: Json) -> list[Json]:
    """The blocks without what the gateway makes up."""
    made_up = ("type", "id", "signature")
    return [{k: v for k, v in block.items() if k not in made_up} for block in message["content"]]


def worded(message: str, **members: Any) -> Json:
    return {"error": {"message": message, **members}}


def quoted(raw: Any, provider: str = "Provider") -> Json:
    metadata = {"raw": raw if isinstance(raw, str) else json.dumps(raw), "provider_name": provider}
    return worded("Provider returned error", code=400, metadata=metadata)
