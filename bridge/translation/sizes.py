"""Numbers and lengths in a request that none needs to exceed, whatever the bytes of its body."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.context_overflow import TOO_LONG_IN_WORDS, too_long
from bridge.translation.json import JSON

_BYTES_PER_TOKEN = 4
LARGE = 1024 * 1024
"""Bytes of a body above which its reading and translation would hold an event loop too long."""

LONGEST_NAME = 256
"""Characters of a model's name."""
MAX_TOOLS = 2_000
MAX_BLOCKS = 100_000
"""Content blocks of all messages and the system prompt, those in tool results included."""
MAX_STOPS = 64
LONGEST_STOP = 1_000
"""Characters of a stop sequence."""


MOST_MESSAGES = 100_000
"""Messages of any kind."""
_WORK: dict[str, frozenset[str]] = {
    "assistant": frozenset({"tool_use", "thinking", "redacted_thinking"}),
    "user": frozenset({"tool_result"}),
}
"""Blocks of an agent at work, by who sends them."""


def counts_as_message(role: str, content: Sequence[dict[str, JSON]]) -> bool:
    """Whether a person or a model says something in a message: not where a model only calls tools,
    and its client only hands the results in. An agent does so for hours in one conversation."""
    work = _WORK.get(role)
    return work is None or not {block["type"] for block in content} <= work or not content


def too_large(size: int, limit: int) -> ApiError:
    """The 413 on which Claude Code compacts its conversation, with the reason."""
    reason = f". The content of all messages exceeds {limit} bytes (setting MAX_CONTENT_BYTES)"
    tokens, maximum = int(size / _BYTES_PER_TOKEN), int(limit / _BYTES_PER_TOKEN)
    return too_long(tokens, maximum, 413, TOO_LONG_IN_WORDS + reason)


def check_name(model: str) -> None:
    """A model's name has a length that a name can have. Raises a 400."""
    if len(model) > LONGEST_NAME:
        raise ApiError.invalid(f"model: String should have at most {LONGEST_NAME} characters")


def check_blocks(body: dict[str, JSON]) -> None:
    """Each block costs work of its own, whatever its size."""
    messages = body.get("messages") or []
    contents = [m.get("content") for m in messages if isinstance(m, dict)]
    count = sum(map(_count_blocks, contents)) + _count_blocks(body.get("system"))
    if count > MAX_BLOCKS:
        raise ApiError.invalid(f"messages: too many content blocks ({count} > {MAX_BLOCKS})")


def _count_blocks(content: JSON) -> int:
    """Blocks of a content, and those inside them."""
    if not isinstance(content, list):
        return 0
    inner = [block.get("content") for block in content if isinstance(block, dict)]
    return len(content) + sum(len(c) for c in inner if isinstance(c, list))
