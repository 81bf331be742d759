"""What a backend wants back and a Claude client has no place for, kept in our thinking signature.

Gemini signs its tool calls, and refuses the next turn where a signature is missing; OpenRouter
hands on encrypted reasoning that must come back unchanged. Clients return a thinking block with
its signature as it was, so the signature holds both: ``gw1.RANDOM.BASE64``. It comes from a client
then, so it is read with care, and goes to no other model than the one that it came from.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field

from bridge.translation.json import JSON, decode, depth_exceeds, encode

PREFIX = "gw1."
MAX_BYTES = 256 * 1024
"""Of a signature with what it keeps; more is not kept."""
_DEEPEST = 16


@dataclass(slots=True)
class Kept:
    """`calls`: members of tool calls, by the client's tool id. `details`: parts of reasoning."""

    model: str = ""
    calls: dict[str, dict[str, JSON]] = field(default_factory=dict)
    details: list[JSON] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        return not self.calls and not self.details


def signature(random: str, kept: Kept) -> str:
    """The signature of a thinking block, with what it has to keep."""
    plain = f"{PREFIX}{random}"
    if kept.is_empty:
        return plain
    document = {"model": kept.model, "calls": kept.calls, "details": kept.details}
    text = urlsafe_b64encode(encode(document)).decode()
    return f"{plain}.{text}" if len(text) <= MAX_BYTES else plain


def read_signature(text: JSON, model: str) -> Kept:
    """What a signature keeps for this model; nothing from any other text."""
    if not isinstance(text, str) or not text.startswith(PREFIX) or len(text) > 2 * MAX_BYTES:
        return Kept()
    try:
        document = decode(urlsafe_b64decode(text.split(".")[2]))
    except (ValueError, IndexError, binascii.Error):
        return Kept()
    if not isinstance(document, dict) or depth_exceeds(document, _DEEPEST):
        return Kept()
    calls, details = document.get("calls"), document.get("details")
    if document.get("model") != model:
        return Kept()
    known = calls.items() if isinstance(calls, dict) else ()
    members = {name: extra for name, extra in known if isinstance(extra, dict)}
    return Kept(model, members, details if isinstance(details, list) else [])
