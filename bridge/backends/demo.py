"""The demo backend: what answers when no backend is configured.

It speaks chat completions like any other, so that a newcomer sees the whole road at work: thinking,
text, a tool call when the request offers tools, and usage. It invents nothing: it says that it is
the demo, and repeats the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.translation.json import JSON, decode, encode, encode_text

PAUSE = 0.03
"""Seconds between chunks, so that a stream looks like one."""


@dataclass(frozen=True, slots=True)
class DemoAnswer:
    content_type: str
    chunks: list[bytes]
    pause: float


def answer(raw: bytes) -> DemoAnswer:
    """The reply to a chat request, streamed if that was asked for."""
    request = decode(raw)
    script = _Script(request)
    if request.get("stream"):
        chunks = [b"data: " + encode(chunk) + b"\n\n" for chunk in script.stream()]
        return DemoAnswer("text/event-stream", [*chunks, b"data: [DONE]\n\n"], PAUSE)
    return DemoAnswer("application/json", [encode(script.whole())], 0)


class _Script:
    """What the demo says to one request."""

    def __init__(self, request: dict[str, JSON]) -> None:
        self._model = request["model"]
        self._request = request
        messages = request["messages"]
        self._question = next(
            (_text(m["content"]) for m in reversed(messages) if m["role"] == "user"), ""
        )
        last = messages[-1]
        self._result = _text(last["content"]) if last["role"] == "tool" else None
        self._limit = request.get("max_tokens") or 1

    def _thought(self) -> str:
        return (
            "" if self._result is not None else "This is the demo backend, so I repeat what I read."
        )

    def _call(self) -> JSON:
        """A call of the named or the first tool, unless one was just answered."""
        tools, choice = self._request.get("tools"), self._request.get("tool_choice")
        if not tools or self._result is not None or choice == "none":
            return None
        functions = {tool["function"]["name"]: tool["function"] for tool in tools}
        named = choice["function"]["name"] if isinstance(choice, dict) else next(iter(functions))
        function = functions[named]
        arguments = _example(function.get("parameters") or {}, self._question)
        return {
            "id": f"call_demo_{len(self._request['messages'])}",
            "type": "function",
            "function": {"name": function["name"], "arguments": encode_text(arguments)},
        }

    def _words(self) -> str:
        if self._result is not None:
            return f"The tool answered: {self._result}"
        if self._call():
            return "Let me use a tool for that."
        said = self._question or "nothing"
        return f"Demo backend here: set BACKEND_URL to reach a real model. You said: {said}"

    def _usage(self) -> JSON:
        asked = (self._request["messages"], self._request.get("tools"))
        prompt = max(1, len(encode(asked)) // 4)
        completion = max(1, len(self._words() + self._thought()) // 4)
        total = prompt + completion
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": total,
        }

    def _finish(self) -> str:
        return "tool_calls" if self._call() else "stop"

    def whole(self) -> JSON:
        call = self._call()
        message = {
            "role": "assistant",
            "content": self._words(),
            "reasoning_content": self._thought(),
            **({"tool_calls": [call]} if call else {}),
        }
        choice = {"index": 0, "message": message, "finish_reason": self._finish()}
        return {"object": "chat.completion", "choices": [choice], "usage": self._usage()}

    def stream(self) -> Iterator[JSON]:
        yield self._chunk({"role": "assistant", "content": ""})
        for name, text in (("reasoning_content", self._thought()), ("content", self._words())):
            for piece in _pieces(text):
                yield self._chunk({name: piece})
        if call := self._call():
            arguments = call["function"]["arguments"]
            head = {"name": call["function"]["name"], "arguments": ""}
            yield self._chunk({"tool_calls": [{**call, "index": 0, "function": head}]})
            for piece in _pieces(arguments):
                fragment = {"index": 0, "function": {"arguments": piece}}
                yield self._chunk({"tool_calls": [fragment]})
        yield self._chunk({}, self._finish())
        yield {"object": "chat.completion.chunk", "choices": [], "usage": self._usage()}

    def _chunk(self, delta: JSON, finish: str | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {"object": "chat.completion.chunk", "model": self._model, "choices": [choice]}


def _pieces(text: str) -> Iterator[str]:
    """Word by word, white space kept."""
    words = text.split(" ")
    for i, word in enumerate(words):
        yield word if i == 0 else f" {word}"


def _text(content: JSON) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text") or "[image]") for part in content)


_EXAMPLES: dict[str, JSON] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def _example(schema: dict[str, JSON], question: str) -> dict[str, JSON]:
    """Arguments with every required member, by type; strings carry the question's last name."""
    names = re.findall(r"\b[A-Z]\w+", question)
    question = names[-1] if names else question
    properties = schema.get("properties") or {}
    wanted = schema.get("required") or list(properties)[:1]
    return {name: _example_value(properties.get(name) or {}, question) for name in wanted}


def _example_value(schema: JSON, question: str) -> JSON:
    if isinstance(schema, dict) and schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type") if isinstance(schema, dict) else None
    return _EXAMPLES.get(kind, question) if isinstance(kind, str) else question
