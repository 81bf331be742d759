"""The demo backend: what answers when no backend is configured.

It speaks chat completions like any other, so that a newcomer sees the whole road at work: thinking,
text, a tool call, and usage. It invents nothing: it says that it is the demo, and repeats the
question.

It calls a tool only where the request leaves no doubt: `tool_choice` forces one, or the user's last
text names one ("use Bash", "call get_weather"), or speaks of the weather where a weather tool is
offered. An agent whose tools were called unasked would go on for ever.

Claude Code in auto mode has the model check each call. The demo passes calls of its own that carry
nothing of the user's, and no others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

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
        self._question, self._result = _conversation(request["messages"])
        self._verdict = _verdict(self._question)
        self._limit = request.get("max_tokens") or 1

    def _thought(self) -> str:
        if self._result is not None or self._verdict:
            return ""
        return "This is the demo backend, so I repeat what I read."

    def _call(self) -> JSON:
        """The call of the tool that is wanted, unless one was just answered."""
        tools, choice = self._request.get("tools"), self._request.get("tool_choice")
        if not tools or self._result is not None:
            return None
        functions = {tool["function"]["name"]: tool["function"] for tool in tools}
        name = _wanted(list(functions), choice, self._question)
        if name is None:
            return None
        arguments = _example(functions[name].get("parameters") or {}, self._question, name)
        return {
            "id": f"call_demo_{len(self._request['messages'])}",
            "type": "function",
            "function": {"name": name, "arguments": encode_text(arguments)},
        }

    def _words(self) -> str:
        if self._verdict:
            return self._verdict
        if self._result is not None:
            return f"The tool answered: {self._result}"
        if self._call():
            return "Let me use a tool for that."
        question = self._question or "nothing"
        return f"Demo backend here: set BACKEND_URL to reach a real model. You wrote: {question}"

    def _usage(self) -> JSON:
        prompt_parts = (self._request["messages"], self._request.get("tools"))
        prompt = max(1, len(encode(prompt_parts)) // 4)
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


# --- what was asked -----------------------------------------------------------------------------


def _conversation(messages: list[JSON]) -> tuple[str, str | None]:
    """The user's last text, and the last result of a tool that came after it, if one did.

    What a client adds between reminder tags is not the user's, and a message of nothing else is
    none of the user's either.
    """
    result = None
    for message in reversed(messages):
        if message["role"] == "tool" and result is None:
            result = _text(message["content"])
        if message["role"] == "user" and (text := _without_reminders(_text(message["content"]))):
            return text, result
    return "", result


def _text(content: JSON) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text") or "[image]") for part in content)


_OPEN, _CLOSE = "<system-reminder>", "</system-reminder>"


def _without_reminders(text: str) -> str:
    kept, position = list[str](), 0
    while (start := text.find(_OPEN, position)) >= 0:
        kept.append(text[position:start])
        end = text.find(_CLOSE, start)
        if end < 0:
            return "".join(kept).strip()
        position = end + len(_CLOSE)
    return "".join([*kept, text[position:]]).strip()


# --- the tool that is wanted --------------------------------------------------------------------

ORDERS = frozenset({"use", "call"})
"""A tool is called when the user's text has one of these before its name."""
TOPIC = "weather"
"""A tool with this in its name is called when the user's text has it too."""
NOT_ASKED = "demo"
"""The value of a string that the user's text does not name. It orders no tool in its turn."""
_WORD = re.compile(r"[\w-]+")


def _wanted(names: list[str], choice: JSON, question: str) -> str | None:
    """The tool to call, None where nobody asked for one."""
    if isinstance(choice, dict):
        named = choice["function"]["name"]
        return named if named in names else None
    if choice == "none":
        return None
    ordered = _ordered(names, _WORD.findall(question.lower()))
    return ordered or (names[0] if choice == "required" else None)


def _ordered(names: list[str], words: list[str]) -> str | None:
    known = {name.lower(): name for name in names}
    for order, name in pairwise(words):
        if order in ORDERS and name in known:
            return known[name]
    if TOPIC in words:
        return next((name for name in names if TOPIC in name.lower()), None)
    return None


_EXAMPLES: dict[str, JSON] = {
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [],
    "object": {},
}


def _example(schema: dict[str, JSON], question: str, tool: str) -> dict[str, JSON]:
    """Arguments with every required member, by type; strings carry the question's last name."""
    names = [name for name in re.findall(r"\b[A-Z]\w+", question) if name != tool]
    text = names[-1] if names else NOT_ASKED
    properties = schema.get("properties") or {}
    wanted = schema.get("required") or list(properties)[:1]
    return {name: _example_value(properties.get(name) or {}, text) for name in wanted}


def _example_value(schema: JSON, text: str) -> JSON:
    if isinstance(schema, dict) and schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type") if isinstance(schema, dict) else None
    return _EXAMPLES.get(kind, text) if isinstance(kind, str) else text


# --- the check of a call ------------------------------------------------------------------------

PASSED = "<block>no</block>"
FLAGGED = "<block>yes</block><reason>The demo backend passes none but its own calls.</reason>"


def _verdict(question: str) -> str:
    """The answer to a check of the transcript's last call; "" where the question is no check."""
    transcript, end, last = question.rpartition("\n</transcript>")
    if not end or "<block>" not in last:
        return ""
    try:
        call = decode(transcript.rpartition("\n")[2].encode())
    except ValueError:
        return FLAGGED
    is_own = isinstance(call, dict) and list(call.values()) == [NOT_ASKED]
    return PASSED if is_own else FLAGGED
