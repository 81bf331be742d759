"""`safeguards`: a client in auto mode asks for a verdict on each tool call of the answer.

The request carries a list with an entry ``{"type": "dangerous_tool_use", ...}``; the answer is to
carry `safeguard_results`, in the `delta` of its `message_delta` or at the top of a plain message.
Claude Code takes an answer without it for a gateway that is not made for auto mode: it stops the
session with a notice, and refuses every checked call where it may not send requests of its own.
An answer that says that verdicts are not available lets it check the calls itself. With a judge
model the answer carries a verdict for each call:

    tool_calls      the calls of an answer, as they grow
    skipped_calls   calls that need no judge
    judge_prompt    what the judge model reads
    judge_verdicts  what it answers, read strictly
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.translation.json import JSON

DANGEROUS_TOOL_USE = "dangerous_tool_use"
NO_JUDGE = "error"
"""The reason. Of `disabled` Claude Code 2.1.332 makes the same notice as of no answer at all."""
UNAVAILABLE, OFF = "unavailable", "off"
CHOICES = (UNAVAILABLE, OFF)
"""How such a request is answered without a judge: that there are no verdicts, or not at all."""
_JUDGE = "judge:"
EXPECTED = "unavailable, off or judge: MODEL"

FLAGGED, NOT_FLAGGED, SKIPPED = "flagged", "not_flagged", "skipped"
OUTCOMES = (FLAGGED, NOT_FLAGGED, SKIPPED, UNAVAILABLE)

TIMEOUT, ERROR, TRUNCATED = "timeout", "error", "truncated"
TOO_LONG, UNPARSED = "input_too_long", "input_unparsed"
_KNOWN_REASONS = frozenset({TIMEOUT, ERROR, TRUNCATED, TOO_LONG, UNPARSED})
"""Reasons that Claude Code knows; it takes any other one for a failure of the check."""
NO_EXPLANATION = "The judge model flagged this call."


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is answered for one tool call.

    reason  why there is none (`unavailable`), or why none is needed (`skipped`), as one code
    rule    which kind of danger a flagged call is, see `judge_prompt.RULES`
    """

    outcome: str
    reason: str = ""
    rule: str = ""
    explanation: str = ""

    def on_the_wire(self) -> JSON:
        if self.outcome == SKIPPED:
            return {"type": SKIPPED}
        if self.outcome == UNAVAILABLE:
            known = self.reason if self.reason in _KNOWN_REASONS else ERROR
            return {"type": UNAVAILABLE, "reason": known}
        verdict = {"type": "evaluated", "outcome": self.outcome}
        if self.outcome == FLAGGED:
            verdict["explanation"] = self.explanation or NO_EXPLANATION
        return verdict


def unanswered(reason: str) -> Verdict:
    """No verdict, and why."""
    return Verdict(UNAVAILABLE, reason)


def are_asked_for(body: dict[str, JSON]) -> bool:
    """Whether this request wants verdicts on tool calls."""
    return _entry(body) is not None


def classifier_context(body: dict[str, JSON]) -> dict[str, JSON]:
    """What the client says of its user's rules and folders; empty where it says nothing."""
    context = (_entry(body) or {}).get("classifier_context")
    return context if isinstance(context, dict) else {}


def _entry(body: dict[str, JSON]) -> dict[str, JSON] | None:
    entries = body.get("safeguards")
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("type") == DANGEROUS_TOOL_USE:
            return entry
    return None


def normalized(chosen: str) -> str:
    """An operator's choice as it is kept: one of CHOICES, or ``judge: MODEL``.

    Raises ValueError.
    """
    if chosen.strip().lower() in CHOICES:
        return chosen.strip().lower()
    if model := judge_model(chosen):
        return f"{_JUDGE} {model}"
    raise ValueError(f"expected {EXPECTED}")


def judge_model(chosen: str) -> str:
    """The model of a choice that names a judge; "" for any other choice."""
    text = chosen.strip()
    return text[len(_JUDGE) :].strip() if text.lower().startswith(_JUDGE) else ""


def unavailable(reason: str) -> list[JSON]:
    """The results of an answer whose calls nobody judged."""
    return _results({"type": "unavailable", "reason": reason})


def available(verdicts: Mapping[str, Verdict]) -> list[JSON]:
    """The results of an answer, with a verdict for each of its calls by id."""
    tool_uses = {call_id: verdict.on_the_wire() for call_id, verdict in verdicts.items()}
    return _results({"type": "available", "tool_uses": tool_uses})


def _results(status: JSON) -> list[JSON]:
    return [{"type": DANGEROUS_TOOL_USE, "status": status}]
