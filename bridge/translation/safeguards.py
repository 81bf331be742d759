"""`safeguards`: a client in auto mode asks for a verdict on each tool call of the answer.

The request carries a list with an entry ``{"type": "dangerous_tool_use", ...}``; the answer is to
carry `safeguard_results`, in the `delta` of its `message_delta` or at the top of a plain message.
Claude Code takes an answer without it for a gateway that is not made for auto mode: it stops the
session with a notice, and refuses every checked call where it may not send requests of its own.
An answer that says that verdicts are not available lets it check the calls itself.
"""

from __future__ import annotations

from bridge.translation.json import JSON

DANGEROUS_TOOL_USE = "dangerous_tool_use"
NO_JUDGE = "error"
"""The reason. Of `disabled` Claude Code 2.1.332 makes the same notice as of no answer at all."""
UNAVAILABLE, OFF = "unavailable", "off"
CHOICES = (UNAVAILABLE, OFF)
"""How such a request is answered: that there are no verdicts, or not at all."""


def are_asked_for(body: dict[str, JSON]) -> bool:
    """Whether this request wants verdicts on tool calls."""
    entries = body.get("safeguards")
    return isinstance(entries, list) and any(
        isinstance(entry, dict) and entry.get("type") == DANGEROUS_TOOL_USE for entry in entries
    )


def unavailable(reason: str) -> list[JSON]:
    """The results of an answer whose calls nobody judged."""
    status = {"type": "unavailable", "reason": reason}
    return [{"type": DANGEROUS_TOOL_USE, "status": status}]
