"""Overflows in the words of servers that nobody lists: as statuses, and inside streams of 200."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.runtime.gateway import Gateway
from tests.bridge.reports.playing import BOTH, quoted, worded
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend

SGLANG = (
    "Input length (57719 tokens) exceeds the maximum allowed length (55539 tokens). Use a shorter "
    "input or enable --allow-auto-truncate."
)
LM_STUDIO = (
    "Trying to keep the first 9001 tokens when context the overflows. However, the model is loaded "
    "with context length of only 4096 tokens, which is not enough."
)
TGI = (
    "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 9001 `inputs` tokens and 100 "
    "`max_new_tokens`"
)
OVERFLOWS: list[tuple[str, str, str]] = [
    ("U3 SGLang's scheduler, of Chutes", SGLANG, "57719 tokens > 55539"),
    ("U3 LM Studio", LM_STUDIO, "9001 tokens > 4096"),
    (
        "U3 OpenRouter",
        "Input length 9001 exceeds the maximum allowed input length of 4096 tokens.",
        "9001 tokens > 4096",
    ),
    ("U3 Copilot", "prompt token count of 9001 exceeds the limit of 4096", "9001 tokens > 4096"),
    (
        "U3 Kimi Coding, in bytes",
        "total message size 36004 exceeds limit 16384",
        "9001 tokens > 4096",
    ),
    ("U3 DashScope", "Range of input length should be [1, 4096]", "4097 tokens > 4096"),
    ("U3 TGI and Together", TGI, "9001 tokens > 4096"),
    ("U3 Ollama", "prompt too long; exceeded max context length by 4905 tokens", ""),
    (
        "U3 LM Studio's other one",
        "The number of tokens to keep from the initial prompt is greater than the context length",
        "",
    ),
    ("U3 in Chinese", "输入内容超过模型最大上下文长度", ""),
    (
        "U23 xAI",
        "This model's maximum prompt length is 4096 but the request contains 9001 tokens.",
        "9001 tokens > 4096",
    ),
    (
        "U23 Moonshot",
        "Your request exceeded model token limit: 4096 (requested: 9001)",
        "9001 tokens > 4096",
    ),
    (
        "U23 Mistral",
        "Prompt contains 9001 tokens, too large for model with 4096 maximum context length",
        "9001 tokens > 4096",
    ),
    (
        "U23 NIM",
        "maximum context length is 4096 tokens. However, your messages resulted in 9001 tokens",
        "9001 tokens > 4096",
    ),
]
SHAPES: list[tuple[str, Any]] = [
    ("an object", worded),
    ("U4 cline#13194, metadata.raw", lambda message: quoted(worded(message))),
    ("U4 can1357/oh-my-pi#827, plain text", quoted),
    ("U5 openclaude#67, an array", lambda message: [worded(message)]),
]


@BOTH
@pytest.mark.parametrize("streamed", [False, True], ids=["as 400", "in a 200 stream"])
@pytest.mark.parametrize("shape", [s[1] for s in SHAPES], ids=[s[0] for s in SHAPES])
@pytest.mark.parametrize(
    ("words", "sizes"), [o[1:] for o in OVERFLOWS], ids=[o[0] for o in OVERFLOWS]
)
async def test_overflow_is_worded_so_that_clients_compact(
    engine: Gateway,
    backend: FakeBackend,
    stream: bool,
    streamed: bool,
    shape: Any,
    words: str,
    sizes: str,
) -> None:
    """Claude Code compacts on this sentence and on its numbers; anything else ends the session."""
    body, script = shape(words), backend.on(ALPHA)
    script.stream(f"data: {json.dumps(body)}\n\n") if streamed else script.json(body, 400)
    answer = await send(engine, stream=stream)
    status, kind, message = answer.error
    assert (status, kind) == (400, "invalid_request_error")
    assert message.startswith("prompt is too long: ") and message.endswith(" maximum")
    assert sizes in message
