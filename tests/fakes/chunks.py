"""Chat-completions chunks in short form, and their fold into one plain completion.

Each builder returns what differs between chunks; `dress` adds the envelope that real servers put
around it. A dict that a test writes by hand is as good as one built here.
"""

import json
from collections.abc import Iterable
from typing import Any

Json = dict[str, Any]


def delta(**fields: Any) -> Json:
    """One chunk with these members in its delta and no finish reason."""
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def role() -> Json:
    """The empty first chunk that most servers send."""
    return delta(role="assistant", content="")


def text(piece: str) -> Json:
    return delta(content=piece)


def reasoning(piece: str, field: str = "reasoning_content") -> Json:
    return delta(**{field: piece})


def call(index: int, call_id: str, name: str, arguments: str = "") -> Json:
    """The first fragment of a tool call."""
    function = {"name": name, "arguments": arguments}
    return delta(
        tool_calls=[{"index": index, "id": call_id, "type": "function", "function": function}]
    )


def arguments(index: int, fragment: str) -> Json:
    """A later fragment of the tool call with this index."""
    return delta(tool_calls=[{"index": index, "function": {"arguments": fragment}}])


def finish(reason: str) -> Json:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def usage(prompt: int, completion: int, **details: Any) -> Json:
    """The usage-only chunk; `details` are further members of the usage object."""
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return {"choices": [], "usage": counts | details}


def failure(message: str, code: int = 503) -> Json:
    """The error chunk of servers that fail after they have answered 200."""
    return {"error": {"message": message, "type": "server_error", "code": code}}


def dress(chunk: Json, model: str, kind: str = "chat.completion.chunk") -> Json:
    """The chunk inside a server's envelope; error chunks stand alone."""
    if "error" in chunk:
        return chunk
    return {"id": "chatcmpl-1", "object": kind, "created": 1700000000, "model": model} | chunk


def frame(chunk: Json, model: str) -> bytes:
    """One chunk as a server-sent event."""
    payload = json.dumps(dress(chunk, model), ensure_ascii=False, separators=(",", ":"))
    return b"data: " + payload.encode() + b"\n\n"


def fold(chunks: Iterable[Json], model: str) -> Json:
    """The plain completion that says what these chunks say."""
    message: Json = {"role": "assistant", "content": None}
    folded: Json = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    for chunk in chunks:
        if "usage" in chunk:
            folded["usage"] = chunk["usage"]
        for choice in chunk["choices"]:
            _fold_delta(message, choice["delta"])
            if choice["finish_reason"]:
                folded["choices"][0]["finish_reason"] = choice["finish_reason"]
    return dress(folded, model, "chat.completion")


def _fold_delta(message: Json, fields: Json) -> None:
    for name, value in fields.items():
        if name == "tool_calls":
            for fragment in value:
                _fold_call(message.setdefault("tool_calls", []), fragment)
        elif name == "role":
            message["role"] = value
        else:
            message[name] = (message.get(name) or "") + value


def _fold_call(calls: list[Json], fragment: Json) -> None:
    if fragment["index"] == len(calls):
        calls.append(
            {
                "id": fragment["id"],
                "type": "function",
                "function": dict(fragment["function"]),
            }
        )
    else:
        calls[fragment["index"]]["function"]["arguments"] += fragment["function"]["arguments"]
