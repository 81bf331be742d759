"""Why an answer ended, in whatever words its server has for it.

Reasons are compared by their letters alone. One that no table knows is read by what it speaks of:
servers add new ones with every release, and a stream that failed must not end as a good answer.
"""

from __future__ import annotations

import re

from bridge.translation.json import JSON
from bridge.translation.response.deltas import BackendFault, Delta, Finish

_NOT_LETTERS = re.compile("[^a-z]")
_NO_REASON = frozenset({"", "null", "None"})
_LONGEST = 60
_ABORTED: dict[str, int] = {
    **dict.fromkeys(("abort", "aborted", "insufficientsystemresource", "overloaded"), 529),
    **dict.fromkeys(("cancelled", "canceled", "networkerror", "timeout"), 503),
    **dict.fromkeys(("error", "failed", "internalerror", "servererror", "unknownerror"), 0),
    **dict.fromkeys(("malformedfunctioncall", "unexpectedtoolcall"), 0),
}
"""Finish reasons that are none, with the status that each amounts to (0: unknown)."""

_REASONS: dict[str, str] = {
    **dict.fromkeys(("length", "maxtokens", "modellength", "maxoutputtokens"), "length"),
    **dict.fromkeys(("maxlength", "tokenlimit", "maxcompletiontokens", "incomplete"), "length"),
    **dict.fromkeys(
        ("modelcontextwindowexceeded", "contextlengthexceeded", "contextwindowexceeded"),
        "context_window",
    ),
    **dict.fromkeys(("contentfilter", "safety", "sensitive", "recitation"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibitedcontent", "spii", "imagesafety"), "content_filter"),
    **dict.fromkeys(("refusal", "contentfiltered", "language", "guardrail"), "content_filter"),
    **dict.fromkeys(("toolcalls", "toolcall", "tooluse"), "tool_calls"),
    "functioncall": "function_call",
    **dict.fromkeys(("stop", "eos", "eostoken", "endturn", "stopsequence", "completed"), "stop"),
}
"""Finish reasons of all dialects -> those of chat completions."""

_SPEAKS_OF: tuple[tuple[re.Pattern[str], int | str], ...] = (
    (re.compile("ratelimit|quota"), 429),
    (re.compile("overload|abort|interrupt|preempt|shutdown|killed|outofmemory"), 529),
    (re.compile("cancel|timeout|timedout|disconnect"), 503),
    (re.compile("error|fail|exception|malformed|thoughtsignature"), 0),
    (re.compile("context"), "context_window"),
    (re.compile("maxtoken|maxoutput|maxlength|lengthlimit|tokenlimit|outputlimit|trunc"), "length"),
    (re.compile("filter|safety|guardrail|policy|armor|block|moderat|prohibit"), "content_filter"),
)
"""What the letters of an unknown reason hold -> a status, or a reason of chat completions."""
_ENDED_ITSELF = frozenset({"stop", "tool_calls", "function_call"})


def read_reason(choice: dict[str, JSON]) -> list[Delta]:
    """The reason that a choice names, as one delta; none where it names none.

    A router that calls every end a stop tells in `native_finish_reason` what it was.
    """
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or reason in _NO_REASON:
        return []
    meaning = _meaning(reason)
    native = choice.get("native_finish_reason")
    if meaning in _ENDED_ITSELF and isinstance(native, str):
        behind = _meaning(native)
        if behind in (0, "length", "context_window"):
            reason, meaning = native, behind
    if isinstance(meaning, int):
        message = f"generation ended with {reason[:_LONGEST]!r}"
        return [BackendFault(meaning, {"error": {"message": message}})]
    matched = choice.get("stop_reason") or choice.get("matched_stop")
    return [Finish(meaning, matched if isinstance(matched, str) else None)]


def _meaning(reason: str) -> int | str:
    """A reason of chat completions, or the status of a failure; an unknown reason as it is."""
    letters = _NOT_LETTERS.sub("", reason[:_LONGEST].lower())
    if letters in _ABORTED:
        return _ABORTED[letters]
    if letters in _REASONS:
        return _REASONS[letters]
    found = (meaning for pattern, meaning in _SPEAKS_OF if pattern.search(letters))
    return next(found, reason)
