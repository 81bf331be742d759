"""Events between the chunks of an answer that say nothing, each seen from some server or proxy."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.properties.values import NUMBERS

_SILENT: list[Any] = [
    *({}, [], None, 5, "x", {"choices": []}, {"choices": None}, {"choices": [None]}),
    *({"choices": [{}]}, {"choices": [{"delta": None}]}, {"choices": {"delta": {"content": "x"}}}),
    {"choices": [{"index": 1, "delta": {"content": "another choice"}}]},
    {"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
    {"choices": [{"delta": {"content": None, "tool_calls": None, "reasoning_content": None}}]},
    {"choices": [{"delta": {"content": 5, "reasoning": True, "refusal": {}, "tool_calls": "x"}}]},
    {"choices": [{"delta": {"tool_calls": [None, 5, []]}, "finish_reason": ""}]},
    {"choices": [{"delta": {"content": [None, 5, {"type": "image"}]}, "finish_reason": 7}]},
    {"choices": [{"delta": {"audio": {"id": "x"}}, "logprobs": None, "finish_reason": "null"}]},
    {"error": None, "choices": [{"delta": {}}]},
    {"error": "", "object": "chat.completion.chunk"},
]
_FRAMING = [
    *(b": OPENROUTER PROCESSING\n\n", b":\n", b"event: x\n", b"id: 1\n\n", b"retry: 5\n\n", b"\n"),
    *(b"data:\n\n", b"data: \n\n", b"nonsense\n\n", b"data: {cut\n\n" + b"data: {}\n\n"),
]


def _usage(prompt: object, completion: object) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    return b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\n\n"


NOISE = st.one_of(
    st.sampled_from([b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in _SILENT]),
    st.sampled_from(_FRAMING),
    st.builds(_usage, st.one_of(NUMBERS, st.none()), st.one_of(NUMBERS, st.none())),
)
