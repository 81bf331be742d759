"""What a judge model answered, read strictly: only a clear verdict on a call counts as one.

An answer that is anything but the one JSON object that was asked for is no answer, and so is one
that names a call that was not asked about. A call that is missing, or that has two verdicts, is
unanswered. A call of which the judge read the ends alone may be flagged and is never passed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bridge.translation.json import JSON
from bridge.translation.response import events
from bridge.translation.safeguards import (
    FLAGGED,
    NOT_FLAGGED,
    TOO_LONG,
    TRUNCATED,
    UNPARSED,
    Verdict,
    unanswered,
)
from bridge.translation.safeguards.judge_prompt import NO_RULE, RULES
from bridge.translation.safeguards.tool_calls import FinishedCall, strict_object

NO_CLEAR_ANSWER = "no_clear_answer"
NO_VERDICT = "no_verdict"
TWO_VERDICTS = "two_verdicts"
CONTRADICTION = "contradiction"
_MEMBERS = frozenset({"label", "outcome", "rule", "explanation"})
LONGEST_ANSWER = 64_000
LONGEST_EXPLANATION = 300


def unjudgeable(call: FinishedCall) -> Verdict | None:
    """The verdict on a call that no judge can read; None for one that a judge can."""
    if call.is_cut:
        return unanswered(TRUNCATED)
    if call.input is None and not call.left_out:
        return unanswered(UNPARSED)
    return None


def verdicts(
    message: events.Message, labelled: Mapping[str, FinishedCall], *, rules_are_cut: bool = False
) -> dict[str, Verdict]:
    """The verdict on each call, by its label. `rules_are_cut`: the judge read not all rules."""
    entries = _entries(message)
    if entries is None or any(entry["label"] not in labelled for entry in entries):
        return dict.fromkeys(labelled, unanswered(NO_CLEAR_ANSWER))
    found: dict[str, Verdict] = {}
    for entry in entries:
        label = entry["label"]
        found[label] = unanswered(TWO_VERDICTS) if label in found else _verdict(entry)
    return {
        label: _allowed(found.get(label, unanswered(NO_VERDICT)), call, rules_are_cut)
        for label, call in labelled.items()
    }


def _allowed(verdict: Verdict, call: FinishedCall, rules_are_cut: bool) -> Verdict:
    is_partial = bool(call.left_out) or rules_are_cut
    return unanswered(TOO_LONG) if is_partial and verdict.outcome == NOT_FLAGGED else verdict


def _entries(message: events.Message) -> Sequence[dict[str, JSON]] | None:
    """The entries of a well-formed answer; None for any other."""
    document = strict_object(_text(message))
    entries = document.get("verdicts") if document and len(document) == 1 else None
    if not isinstance(entries, list) or not all(map(_is_entry, entries)):
        return None
    return entries


def _text(message: events.Message) -> str:
    """The text of an answer that ended by itself and has one; "" for any other."""
    texts = [block for block in message.content if not isinstance(block, events.ThinkingBlock)]
    if message.stop_reason != "end_turn" or len(texts) != 1:
        return ""
    text = texts[0].text if isinstance(texts[0], events.TextBlock) else ""
    return text.strip() if len(text) <= LONGEST_ANSWER else ""


def _is_entry(entry: JSON) -> bool:
    if not isinstance(entry, dict) or not {"label", "outcome"} <= entry.keys() <= _MEMBERS:
        return False
    are_texts = all(isinstance(value, str) for value in entry.values())
    return are_texts and entry["outcome"] in (FLAGGED, NOT_FLAGGED)


def _verdict(entry: dict[str, JSON]) -> Verdict:
    rule, explanation = entry.get("rule", NO_RULE), entry.get("explanation", "")
    if entry["outcome"] == NOT_FLAGGED:
        return Verdict(NOT_FLAGGED) if rule == NO_RULE else unanswered(CONTRADICTION)
    known = rule if rule in RULES else "other"
    return Verdict(FLAGGED, rule=known, explanation=_sentence(explanation))


def _sentence(text: str) -> str:
    """A model's words for the client: one line of printable characters, not long."""
    words = "".join(char if char.isprintable() else " " for char in text[: 4 * LONGEST_EXPLANATION])
    line = " ".join(words.split())
    return line if len(line) <= LONGEST_EXPLANATION else f"{line[: LONGEST_EXPLANATION - 1]}…"
