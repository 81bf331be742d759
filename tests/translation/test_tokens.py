"""What is counted as a token. One character is one token here: the encoder is an argument."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bridge.translation.json import encode
from bridge.translation.tokens import count, estimate, measure
from tests.shapes import Json
from tests.translation.asking import (
    PNG,
    assistant,
    call,
    image,
    result,
    text,
    thinking,
    to_backend,
    tool,
    user,
)

PER_MESSAGE, PRIMING, PER_TOOL = 4, 3, 8


def counted(profile: str = "generic", **fields: Any) -> int:
    return count(to_backend(profile, **fields).body, len)


def png(width: int, height: int) -> Json:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b64(head)


def gif(width: int, height: int) -> Json:
    return b64(b"GIF89a" + width.to_bytes(2, "little") + height.to_bytes(2, "little"))


def b64(data: bytes) -> Json:
    return image(type="base64", media_type="image/png", data=base64.b64encode(data).decode())


BASE = PRIMING + PER_MESSAGE
TOOL = {"name": "A", "parameters": {"type": "object", "properties": {}}}
STEP = [user("q"), assistant("a", call("t1", "Bash", {"x": 1})), user(result("t1", "r"))]
TOOLED = PER_TOOL + len(encode(TOOL))
STEP_TEXT = len("q" + "a" + "Bash" + '{"x":1}' + "r")
COUNTS: list[tuple[str, Json, int]] = [
    ("a message", {"messages": [user("hello")]}, BASE + 5),
    ("two messages", {"messages": [user("hello"), assistant("you")]}, BASE + 5 + PER_MESSAGE + 3),
    ("F130 a system prompt", {"system": "SS"}, BASE + 2 + PER_MESSAGE + 2),
    ("F130 a tool", {"tools": [tool("A")]}, BASE + 2 + TOOLED),
    ("F130 a deferred tool", {"tools": [tool("A", defer_loading=True)]}, BASE + 2),
    ("a call and its result", {"messages": STEP}, PRIMING + 3 * PER_MESSAGE + STEP_TEXT),
]


@pytest.mark.parametrize(("fields", "tokens"), [c[1:] for c in COUNTS], ids=[c[0] for c in COUNTS])
def test_request_is_counted(fields: Json, tokens: int) -> None:
    """The specification, C9."""
    assert counted(**fields) == tokens


IMAGES: list[tuple[str, Json, int]] = [
    ("a URL", image(type="url", url="https://x"), 1000),
    ("a JPEG", b64(b"\xff\xd8\xff"), 1000),
    ("a PNG that is cut", image(type="base64", data=PNG[:12]), 1000),
    ("a GIF that is cut", b64(b"GIF89a"), 1000),
    ("no base64", image(type="base64", data="AAA"), 1000),
    ("not ASCII", image(type="base64", data="\u00e9"), 1000),
    ("a small PNG", image(), 85),
    ("a PNG", png(1000, 750), 1000),
    ("a PNG, rounded up", png(1001, 750), 1001),
    ("a large PNG", png(5000, 5000), 1600),
    ("a GIF", gif(300, 250), 100),
]


@pytest.mark.parametrize(("block", "tokens"), [i[1:] for i in IMAGES], ids=[i[0] for i in IMAGES])
def test_image_is_priced_by_its_size(block: Json, tokens: int) -> None:
    """The specification, C9: between 85 and 1600, or 1000 when the size is not known."""
    assert counted(messages=[user("see", block)]) == BASE + 3 + tokens


def test_pdf_is_priced_by_its_bytes() -> None:
    """The specification, C9: bytes / 50."""
    data = base64.b64encode(b"x" * 6000).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    document = {"type": "document", "source": source}
    assert counted("openai", messages=[user(document)]) == BASE + 120


def test_earlier_reasoning_counts_where_it_is_sent() -> None:
    """The specification, C9: counted is what the backend gets."""
    messages = [user("q"), assistant(thinking("hmm"), call("t1")), user(result("t1", "r"))]
    assert counted("vllm", messages=messages) == counted("generic", messages=messages) + 3


def test_f129_count_is_at_least_one() -> None:
    """F129, C9."""
    assert count({"messages": []}, lambda words: -len(words) - 99) == PRIMING
    assert count({"messages": [{"content": "x"}]}, lambda words: -99) == 1


def test_estimate_goes_by_size() -> None:
    """Ours: counting takes too long for the road of a request."""
    assert [estimate(0, 0), estimate(400, 0), estimate(400, 2), estimate(400, 0, 2.0)] == [
        1,
        100,
        2100,
        200,
    ]


def test_media_are_no_text() -> None:
    """Ours: base64 data would look like a long prompt."""
    body = to_backend("openai", messages=[user("see", image(), text("and"), image())]).body
    size = len(encode(body))
    assert measure(body, size) == (size - 2 * len(f"data:image/png;base64,{PNG}"), 2)
    plain = to_backend(messages=[user("see")]).body
    assert measure(plain, 77) == (77, 0)
