"""Context overflow: every wording with its numbers, and the two sentences that come out."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.api_error import Remedy
from bridge.translation.errors.context_overflow import Sizes, recognise, to_error, too_long
from bridge.translation.json import decode, encode
from bridge.translation.response.events import Error

# who says it, the sentence, (prompt, completion, context)
WORDINGS: list[tuple[str, str, tuple[int, int, int]]] = [
    (
        "vLLM now",
        "This model's maximum context length is 4096 tokens. However, your prompt "
        "contains 5000 input tokens, which exceeds this limit",
        (5000, 0, 4096),
    ),
    (
        "vLLM now, with a completion",
        "This model's maximum context length is 4096 tokens. However, you requested 2000 "
        "output tokens and your prompt contains 3000 input tokens, for a total of 5000 "
        "tokens.",
        (3000, 2000, 4096),
    ),
    (
        "the reference",
        "This model's maximum context length is 8192 tokens. However, you requested "
        "12039 tokens (12009 in the messages, 30 in the completion). Please reduce the "
        "length of the messages or completion.",
        (12009, 30, 8192),
    ),
    (
        "older vLLM",
        "max_tokens is too large: 2000. This model's maximum context length is 4096 "
        "tokens and your request has 3000 input tokens (2000 > 4096 - 3000).",
        (3000, 2000, 4096),
    ),
    (
        "vLLM with both names",
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's "
        "maximum context length is 4096 tokens and your request has 3000 input tokens "
        "(2000 > 4096 - 3000). (parameter=max_tokens, value=2000)",
        (3000, 2000, 4096),
    ),
    (
        "vLLM, more than its window",
        "max_tokens=128000 cannot be greater than max_model_len=8192. Please request fewer output",
        (0, 128000, 8192),
    ),
    (
        "vLLM, more than its window, the other field",
        "max_completion_tokens=128000 cannot be greater than max_model_len=8192. Please request",
        (0, 128000, 8192),
    ),
    (
        "vLLM's engine",
        "Input length (5000) exceeds model's maximum context length (4096).",
        (5000, 0, 4096),
    ),
    (
        "vLLM's other engine",
        "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
        (5000, 0, 4096),
    ),
    (
        "SGLang",
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        (5000, 0, 4096),
    ),
    (
        "SGLang with a completion",
        "Requested token count exceeds the model's maximum context length of 4096 "
        "tokens. You requested a total of 5000 tokens: 3000 tokens from the input "
        "messages and 2000 tokens for the completion.",
        (3000, 2000, 4096),
    ),
    (
        "llama.cpp",
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        (5000, 0, 4096),
    ),
    (
        "OpenRouter",
        "This endpoint's maximum context length is 4096 tokens. However, you requested "
        "about 5000 tokens (3000 of text input, 2000 in the output).",
        (3000, 2000, 4096),
    ),
    (
        "OpenRouter with tools",
        "This endpoint's maximum context length is 4096 tokens. However, you requested "
        "about 5000 tokens (2000 of text input, 1000 of tool input, 2000 in the output).",
        (3000, 2000, 4096),
    ),
    (
        "Gemini",
        "The input token count (5000) exceeds the maximum number of tokens allowed (4096).",
        (5000, 0, 4096),
    ),
    (
        "the reference's newer sentence",
        "Your input exceeds the context window of this model.",
        (0, 0, 0),
    ),
    ("Kimi", "Your request exceeded model token limit: 4096", (0, 0, 4096)),
    ("MiniMax", "invalid params, context window exceeds limit (2013)", (0, 0, 0)),
    ("others 1", "Input token length too long", (0, 0, 0)),
    ("others 2", "input tokens exceed the configured limit", (0, 0, 0)),
    (
        "two counts and a bound",
        "The request is 5000 tokens long, but this deployment takes no more than 4096 tokens.",
        (5000, 0, 4096),
    ),
    ("others 3", "This exceeds the maximum prompt length", (0, 0, 0)),
    ("others 4", "Prompt exceeds max length", (0, 0, 0)),
    ("others 5", "context window exceeds limit", (0, 0, 0)),
    ("others 6", "Please reduce the length of the messages", (0, 0, 0)),
    ("others 7", "Input is too long for requested model.", (0, 0, 0)),
    ("others 8", "context_length_exceeded", (0, 0, 0)),
    ("others 9", "exceed_context_size_error", (0, 0, 0)),
]


@pytest.mark.parametrize(("text", "sizes"), [w[1:] for w in WORDINGS], ids=[w[0] for w in WORDINGS])
def test_e4_wording_is_recognised_with_its_numbers(text: str, sizes: tuple[int, int, int]) -> None:
    """The specification, E4; vLLM, SGLang and llama.cpp observed or read in their sources."""
    prompt, completion, context = sizes
    assert recognise(text, {"error": {"message": text}}) == Sizes(prompt, completion, context)
    assert recognise(text.upper(), None) is not None


BODIES: list[tuple[str, Any, Sizes | None]] = [
    (
        "F122 fields of llama.cpp",
        {"error": {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "n_ctx": 4096}},
        Sizes(9000, 0, 4096),
    ),
    ("a code", {"error": {"code": "context_length_exceeded"}}, Sizes()),
    ("a flat error", {"type": "exceed_context_size_error", "n_ctx": 4096}, Sizes(0, 0, 4096)),
    (
        "fields that are no counts",
        {"type": "exceed_context_size_error", "n_ctx": True, "n_prompt_tokens": -1},
        Sizes(),
    ),
    ("another error", {"error": {"type": "invalid_request_error", "code": 400}}, None),
    ("an error that is a string", {"error": "nothing of the kind"}, None),
    ("no object", "text", None),
]


@pytest.mark.parametrize(("body", "sizes"), [b[1:] for b in BODIES], ids=[b[0] for b in BODIES])
def test_fields_of_the_body_tell_too(body: Any, sizes: Sizes | None) -> None:
    """The specification, E4."""
    assert recognise("something happened", body) == sizes


def test_bound_in_characters_is_one_of_the_prompt() -> None:
    """Qianfan: no comparison, and another unit."""
    sizes = recognise("the max input characters is 20000", None)
    assert sizes == Sizes(0, 0, 20000, in_bytes=True)


SUMS = [
    "The estimated number of input and maximum output tokens (5000) exceeded this model context "
    "window limit (4096).",
    "prompt length + max_tokens = 5000 exceeds the maximum context length 4096",
]


@pytest.mark.parametrize("text", SUMS, ids=["Workers AI", "a sum"])
def test_prompt_is_the_rest_of_a_sum_with_the_answer(text: str) -> None:
    """E4: the prompt fits, so that a shorter answer is all that is needed."""
    assert recognise(text, None, max_tokens=2000) == Sizes(3000, 2000, 4096)


def test_lower_bound_is_marked() -> None:
    """vLLM observed: it stops counting one token above its limit."""
    text = (
        "maximum context length is 4096 tokens. However, your prompt contains at least 4097 input"
    )
    assert recognise(text, None) == Sizes(4097, 0, 4096, at_least=True)


FILLED: list[tuple[str, Sizes, Sizes]] = [
    ("all that was not said", Sizes(), Sizes(prompt=9000, completion=0, context=4000)),
    ("nothing that was said", Sizes(50, 60, 70), Sizes(50, 60, 70)),
    (
        "F123 more than a lower bound",
        Sizes(4097, 0, 4096, at_least=True),
        Sizes(9000, 0, 4096, True),
    ),
    (
        "a lower bound above the estimate",
        Sizes(9999, 0, 4096, at_least=True),
        Sizes(9999, 0, 4096, True),
    ),
    ("the completion where the prompt fits", Sizes(3000, 0, 4096), Sizes(3000, 2000, 4096)),
    ("the prompt beside a completion", Sizes(0, 128000, 8192), Sizes(9000, 128000, 8192)),
    ("no completion where it does not", Sizes(5000, 0, 4096), Sizes(5000, 0, 4096)),
]


@pytest.mark.parametrize(("told", "filled"), [f[1:] for f in FILLED], ids=[f[0] for f in FILLED])
def test_gateway_fills_in_what_it_knows(told: Sizes, filled: Sizes) -> None:
    """The specification, E4: the estimate for N, the model's schema for M."""
    assert told.filled(estimate=9000, context=4000, max_tokens=2000) == filled


LONG = "prompt is too long: {} maximum"
TOO_MUCH = (
    "input length and `max_tokens` exceed context limit: {}, "
    "decrease input length or `max_tokens` and try again"
)
ERRORS: list[tuple[str, Sizes, str, Remedy | None]] = [
    ("F122 N over M", Sizes(9000, 0, 4096), LONG.format("9000 tokens > 4096"), None),
    ("N over M, C told", Sizes(9000, 50, 4096), LONG.format("9000 tokens > 4096"), None),
    ("N equal to M", Sizes(4096, 0, 4096), LONG.format("4097 tokens > 4096"), None),
    ("N below M, C unknown", Sizes(4000, 0, 4096), LONG.format("4097 tokens > 4096"), None),
    ("M unknown", Sizes(9000), LONG.format("9000 tokens > 8999"), None),
    ("nothing known", Sizes(), LONG.format("2 tokens > 1"), None),
    ("all fits", Sizes(10, 20, 4096), LONG.format("4097 tokens > 4096"), None),
    (
        "F124 room for less",
        Sizes(3000, 2000, 4096),
        TOO_MUCH.format("3000 + 2000 > 4096"),
        Remedy(max_tokens=1064),
    ),
    (
        "F124 just enough room",
        Sizes(3808, 2000, 4096),
        TOO_MUCH.format("3808 + 2000 > 4096"),
        Remedy(max_tokens=256),
    ),
    ("F124 no room", Sizes(4000, 2000, 4096), TOO_MUCH.format("4000 + 2000 > 4096"), None),
]


@pytest.mark.parametrize(
    ("sizes", "message", "remedy"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS]
)
def test_sentence_is_the_one_that_claude_code_acts_on(
    sizes: Sizes, message: str, remedy: Remedy | None
) -> None:
    """Claude Code observed: it compacts on the first, and lowers max_tokens on the second."""
    error = to_error(sizes)
    assert (error.status, error.type, error.message) == (400, "invalid_request_error", message)
    assert error.remedy == remedy
    token = "capability_rejected: prompt_too_long" if message.startswith("prompt") else None
    assert error.error_code == token


def test_token_of_the_contract_stands_behind_the_sentence_in_both_forms() -> None:
    """Contract 2, and the specification, E4: the sentence alone is the whole message."""
    error = too_long(9000, 4096)
    message = "prompt is too long: 9000 tokens > 4096 maximum"
    details = {"error_code": "capability_rejected: prompt_too_long"}
    body = {"type": "invalid_request_error", "message": message, "details": details}
    assert decode(error.body("req_1"))["error"] == body
    event = decode(encode(Error.of(error, "req_1")))
    assert event == {"type": "error", "error": body, "request_id": "req_1"}
    assert list(event["error"]) == ["type", "message", "details"]
