"""Context overflow: a dozen wordings in, the two that Claude Code acts on out.

``prompt is too long: N tokens > M maximum`` makes it compact the conversation and repeat;
``input length and `max_tokens` exceed context limit: N + C > M`` makes it repeat with a smaller
`max_tokens`. So which of the two is said, and with which numbers, decides whether a session heals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bridge.translation.errors.api_error import ApiError, Remedy
from bridge.translation.json import JSON

MARGIN = 32
"""Tokens left free when `max_tokens` is cut to fit: templates add a few of their own."""
SMALLEST_USEFUL = 256
"""Below this a cut `max_tokens` would not give an answer worth having."""

_WORDINGS = re.compile(
    "maximum context length|context_length_exceeded|exceeds the context window"
    "|longer than the maximum model length|longer than the model's context length"
    "|exceeds the available context size|exceeds model's maximum context length"
    "|exceeds the maximum number of tokens allowed|exceeded model token limit"
    "|input token length too long|input tokens exceed the configured limit"
    "|maximum prompt length|prompt exceeds max length|context window exceeds limit"
    "|reduce the length of the messages|exceed_context_size_error|input is too long"
    "|prompt is too long|requested token count exceeds|cannot be greater than max_model_len"
    "|max_tokens.{0,40}too large",
    re.I,
)

_LIMIT = (
    r"context length (?:is|of) (?P<m>\d+)",
    r"context length \((?P<m>\d+)",
    r"maximum model length of (?P<m>\d+)",
    r"available context size \((?P<m>\d+)",
    r"context (?:window|limit|size) (?:is|of) (?P<m>\d+)",
    r"maximum number of tokens allowed \((?P<m>\d+)",
    r"max_model_len=(?P<m>\d+)",
    r"tokens > (?P<m>\d+) maximum",
)
_PROMPT = (
    r"\((?:about )?(?P<n>\d+) (?:tokens )?(?:in the messages|from input)",
    r"(?P<n>\d+) (?:tokens )?from (?:the )?input",
    r"prompt contains (?:at least )?(?P<n>\d+)",
    r"request has (?P<n>\d+) input",
    r"input \((?P<n>\d+) tokens",
    r"input length \((?P<n>\d+)",
    r"prompt \(length (?P<n>\d+)",
    r"request \((?P<n>\d+) tokens",
    r"prompt is too long: (?P<n>\d+) tokens",
    r"input token count (?:is )?\(?(?P<n>\d+)",
)
_COMPLETION = (
    r"(?P<c>\d+) in the (?:completion|output)",
    r"(?P<c>\d+) (?:tokens )?for (?:the )?completion",
    r"max_tokens[^0-9]{0,60}too large: (?P<c>\d+)",
    r"requested (?P<c>\d+) output tokens",
    r"max_(?:completion_)?tokens=(?P<c>\d+) cannot be greater",
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """Token counts named by a refusal; 0 where it names none. `at_least` marks a lower bound."""

    prompt: int = 0
    completion: int = 0
    context: int = 0
    at_least: bool = False

    def filled(self, estimate: int, context: int, max_tokens: int) -> Sizes:
        """With the gateway's own knowledge where the backend said nothing, or too little."""
        prompt = max(self.prompt, estimate) if self.at_least else self.prompt or estimate
        limit = self.context or context
        completion = self.completion
        if not completion and 0 < self.prompt < limit:
            completion = max_tokens
        return replace(self, prompt=prompt, context=limit, completion=completion)


def recognise(text: str, body: JSON) -> Sizes | None:
    """The sizes, if this refusal is about the context length at all; else None."""
    error = body.get("error", body) if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    marks = f"{text} {error.get('type')} {error.get('code')}"
    if not _WORDINGS.search(marks):
        return None
    return Sizes(
        prompt=_whole(error.get("n_prompt_tokens")) or _inputs(text) or _number(_PROMPT, text),
        completion=_number(_COMPLETION, text),
        context=_whole(error.get("n_ctx")) or _number(_LIMIT, text),
        at_least="at least" in text.lower(),
    )


def to_error(sizes: Sizes) -> ApiError:
    """The 400 for these sizes. Where a smaller `max_tokens` would fit, it comes as a remedy."""
    n, c, m = sizes.prompt, sizes.completion, sizes.context
    if 0 < n < m and n + c > m and c:
        message = (
            f"input length and `max_tokens` exceed context limit: {n} + {c} > {m}, "
            "decrease input length or `max_tokens` and try again"
        )
        room = m - n - MARGIN
        remedy = Remedy(max_tokens=room) if room >= SMALLEST_USEFUL else None
        return ApiError(400, message, remedy=remedy)
    m = m or max(n - 1, 1)
    return ApiError(400, f"prompt is too long: {max(n, m + 1)} tokens > {m} maximum")


def _number(patterns: tuple[str, ...], text: str) -> int:
    for pattern in patterns:
        if found := re.search(pattern, text, re.I):
            return int(found.group(found.lastgroup or 0))
    return 0


def _inputs(text: str) -> int:
    """A prompt told in parts: "(N of text input, N of tool input, ..."."""
    return sum(int(n) for n in re.findall(r"(\d+) of \w+ input", text))


def _whole(value: JSON) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
