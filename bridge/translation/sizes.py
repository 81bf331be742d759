"""Numbers and lengths in a request that none needs to exceed, whatever the bytes of its body."""

from __future__ import annotations

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import JSON

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
