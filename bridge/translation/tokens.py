"""What is counted as a token, and the quick estimate for where counting would take too long.

The encoder is an argument and costs about half a microsecond a token, so nothing here that takes
one may run on an event loop. Images and PDFs are priced, not counted: their data is no text.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable

from bridge.translation.json import JSON, encode_text

PER_MESSAGE = 4
REPLY_PRIMING = 3
PER_TOOL = 8
UNKNOWN_IMAGE = 1000
IMAGE_RANGE = (85, 1600)
PIXELS_PER_TOKEN = 750
PDF_BYTES_PER_TOKEN = 50

BYTES_PER_TOKEN = 4.0
"""First guess for a model that has not reported usage yet."""

_REASONING = ("reasoning_content", "reasoning")

CountText = Callable[[str], int]


def estimate(text_bytes: int, images: int, bytes_per_token: float = BYTES_PER_TOKEN) -> int:
    """Prompt tokens by size alone, at least 1."""
    return max(1, round(text_bytes / bytes_per_token) + images * UNKNOWN_IMAGE)


def measure(body: dict[str, JSON], size: int) -> tuple[int, int]:
    """(bytes of text, number of media parts) of a chat request whose JSON has `size` bytes."""
    media = list(_media_urls(body["messages"]))
    return size - sum(map(len, media)), len(media)


def _media_urls(messages: list[JSON]) -> list[str]:
    urls = []
    for message in messages:
        if isinstance(message["content"], list):
            urls += [url for part in message["content"] if (url := _media_url(part))]
    return urls


def _media_url(part: dict[str, JSON]) -> str:
    if part["type"] == "image_url":
        return str(part["image_url"]["url"])
    return str(part["file"]["file_data"]) if part["type"] == "file" else ""


def count(body: dict[str, JSON], count_text: CountText) -> int:
    """Tokens of a chat request's messages and tools, at least 1."""
    total = REPLY_PRIMING
    for message in body["messages"]:
        total += PER_MESSAGE + _count_message(message, count_text)
    for tool in body.get("tools", ()):
        total += PER_TOOL + count_text(encode_text(tool["function"]))
    return max(1, total)


def _count_message(message: dict[str, JSON], count_text: CountText) -> int:
    content = message["content"]
    total = sum(count_text(message[name]) for name in _REASONING if name in message)
    if isinstance(content, str):
        total += count_text(content)
    for part in content if isinstance(content, list) else ():
        text = part["type"] == "text"
        total += count_text(part["text"]) if text else _media_tokens(_media_url(part))
    for call in message.get("tool_calls", ()):
        total += count_text(call["function"]["name"]) + count_text(call["function"]["arguments"])
    return total


def _media_tokens(url: str) -> int:
    head, _, data = url.partition(";base64,")
    if head == "data:application/pdf":
        return math.ceil(len(data) * 3 / 4 / PDF_BYTES_PER_TOKEN)
    size = _pixels(data) if head.startswith("data:image/") else None
    if size is None:
        return UNKNOWN_IMAGE
    low, high = IMAGE_RANGE
    return min(high, max(low, math.ceil(size[0] * size[1] / PIXELS_PER_TOKEN)))


def _pixels(data: str) -> tuple[int, int] | None:
    """Width and height of a PNG or GIF from its first bytes; None for other formats."""
    try:
        head = base64.b64decode(data[:64])
    except ValueError:
        return None
    if head.startswith(b"\x89PNG") and len(head) >= 24:
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith(b"GIF8") and len(head) >= 10:
        return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")
    return None
