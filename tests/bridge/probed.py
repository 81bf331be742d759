"""A server with a model to be probed: it can do everything, except for what a test takes away."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.fakes.chunks import Json, call, finish, reasoning, text, usage
from tests.fakes.replies import Call, Reply, fixed

NO_TOOLS = "this model does not support tools"
NO_IMAGES = "image input is not supported - hint: you may need to provide the mmproj"
TOO_MUCH = (
    "max_tokens is too large: 100000000. This model's maximum context length is 8192 tokens "
    "and your request has 20 input tokens."
)
CITIES = ("Lisbon", "Oslo")


@dataclass(frozen=True, slots=True)
class Model:
    """Its manners. `tools`: "yes", "no" (refused) or "deaf" (taken, never called)."""

    tools: str = "yes"
    images: bool = True
    heeds_toggle: bool = True
    thinks: bool = True

    def __call__(self, request: Call) -> Iterable[Json] | Reply:
        body: Json = request.body
        if body["max_tokens"] > 1_000_000:
            return refusal(400, TOO_MUCH)
        if "tools" in body and self.tools == "no":
            return refusal(400, NO_TOOLS)
        if '"image_url"' in json.dumps(body) and not self.images:
            return refusal(500, NO_IMAGES)
        return [*self._thoughts(body), *self._said(body), *_end(body)]

    def _thoughts(self, body: Json) -> list[Json]:
        asked = body.get("chat_template_kwargs", {}).get("enable_thinking")
        wanted = asked if self.heeds_toggle else "chat_template_kwargs" in body
        return [reasoning("51 is 3 times 17.")] if self.thinks and wanted else []

    def _said(self, body: Json) -> list[Json]:
        if "tools" in body and self.tools == "yes" and (calls := _calls(body)):
            return calls
        return [text(piece) for piece in _words(body)]


def refusal(status: int, message: str) -> Reply:
    body = {"error": {"message": message, "type": "scripted", "code": status}}
    return fixed(json.dumps(body).encode(), "application/json", status)


def _calls(body: Json) -> list[Json]:
    choice = body.get("tool_choice", "auto")
    if any(message["role"] == "tool" for message in body["messages"]):
        return []
    if isinstance(choice, dict):
        return [call(0, "c0", choice["function"]["name"], '{"zone":"UTC"}')]
    cities = [city for city in CITIES if city in str(body["messages"])] or ["Paris"]
    return [
        call(index, f"c{index}", "get_weather", json.dumps({"city": city}))
        for index, city in enumerate(cities)
    ]


def _words(body: Json) -> Iterable[str]:
    asked = json.dumps(body["messages"])
    if "response_format" in body:
        return ['{"colour": "red", ', '"count": 7}']
    return next((words for mark, words in _ANSWERS if mark in asked), ["5"])


_ANSWERS: tuple[tuple[str, list[str]], ...] = (
    ('"image_url"', ["Green on the left, ", "yellow on the right."]),
    ('"file_data"', ["The code word ", "is tulip."]),
    ("Now say goodbye", ["Goodbye."]),
    ('"tool_call_id"', ["It has 31 degrees."]),
    ("BANANA", ["Hello! ", "BANANA"]),
    ("Ahoy!", [" France is Paris."]),
    ("from 1 to 60", ["1, 2, 3, 4"]),
    ("from 1 to 9", ["1, 2, ", "3, 4, "]),
    ("prime", ["No."]),
)
"""What stands in the messages -> what is said to it; the first that fits."""


def _end(body: Json) -> list[Json]:
    limit: Any = body["max_tokens"]
    return [finish("length" if limit < 20 else "stop"), usage(20, min(limit, 12))]
