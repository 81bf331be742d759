"""The system prompt, and system messages inside a conversation.

Chat templates take a system message in first position only. What stands before the first
assistant message keeps its place for the whole session, so it may join the leading system message
without spoiling the backend's prefix cache; what comes later becomes a reminder in the user's
turn, the shape that Claude Code itself falls back to.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.translation.request.parts import Part, SystemPart, TextPart, join_texts
from bridge.translation.request.schema import InputMessage

BILLING_LINE = "x-anthropic-billing-header:"
"""Claude Code's first system block: it varies between sessions and would defeat prefix caches."""

REMINDER = "<system-reminder>"


def leading_system(system: Sequence[str], early: Sequence[str]) -> str:
    """The text of the leading system message; "" when there is none to send."""
    texts = [_without_billing_line(text) for text in system]
    return join_texts([text for text in (*texts, *early) if text])


def _without_billing_line(text: str) -> str:
    if not text.startswith(BILLING_LINE):
        return text
    return text.partition("\n")[2].lstrip("\n")


def message_text(message: InputMessage) -> str:
    """The text of a system message; its tool changes and settings are read elsewhere."""
    texts = [block["text"] for block in message.content if block["type"] == "text"]
    return join_texts([_without_billing_line(text) for text in texts])


def expired(message: InputMessage, is_followed: bool) -> bool:
    """The message was for one turn, and the user has spoken since."""
    return is_followed and message.clear_at == "next_user_message"


def later_instruction(text: str, manner: str) -> Part:
    """A system message behind the first answer, as the profile wants it."""
    if manner == "inline":
        return SystemPart(text)
    return TextPart(f"{REMINDER}\n{text}\n</system-reminder>")
