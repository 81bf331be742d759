"""How the judging of tool calls ended, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboard.display import formatting
from dashboard.display.cells import StateCell

OUTCOMES: dict[str, StateCell] = {
    "flagged": StateCell("flagged", "bad"),
    "not_flagged": StateCell("not flagged", "good"),
    "skipped": StateCell("skipped", "quiet"),
    "unavailable": StateCell("unanswered", "warn"),
}
REASONS: dict[str, str] = {
    "reads_only": "The tool only reads, so that no judge is needed.",
    "allowed_by_rule": "A rule of the user allows it, so that no judge is needed.",
    "timeout": "The judge did not answer in time (JUDGE_SECONDS).",
    "truncated": "The answer was cut in this call.",
    "input_unparsed": "The arguments are no JSON object.",
    "input_too_long": "It is too long to be read whole, or there are too many calls.",
    "no_clear_answer": "The judge’s answer was not the JSON that it was asked for.",
    "no_verdict": "The judge’s answer left this call out.",
    "two_verdicts": "The judge’s answer had more than one verdict on this call.",
    "contradiction": "The judge passed the call and named a danger all the same.",
    "over_budget": "The key’s budget is used up.",
    "over_limit": "A quota of the key, or the judge’s backend, took no further request.",
    "not_allowed": "The judge’s backend refused the key, or no price is known for the judge and "
    "the key’s budget counts priced models.",
    "no_such_model": "Nothing has the judge’s name.",
    "backend_away": "The judge’s backend could not be reached, failed, or is left alone for now.",
    "judge_failed": "The judge’s backend refused the request.",
    "ended": "The request or the gateway ended before the judge did.",
}
"""Reason or kind of danger on record -> why."""


@dataclass(frozen=True, slots=True)
class JudgedCall:
    """One line of a request's page. `took`: "" where no judge was asked."""

    call: str
    tool: str
    outcome: StateCell
    why: str
    took: str


def judged_calls(verdicts: Iterable[Mapping[str, Any]] | None) -> list[JudgedCall]:
    """Of `detail["verdicts"]`."""
    return list(_lines(verdicts or ()))


def _lines(verdicts: Iterable[Mapping[str, Any]]) -> Iterator[JudgedCall]:
    for verdict in verdicts:
        reason, rule = str(verdict.get("reason", "")), str(verdict.get("rule", ""))
        outcome = str(verdict.get("outcome", ""))
        took = verdict.get("ms")
        yield JudgedCall(
            str(verdict.get("call", "")),
            str(verdict.get("tool", "")),
            OUTCOMES.get(outcome, StateCell(outcome, "quiet")),
            REASONS.get(reason, reason) or rule.replace("_", " "),
            formatting.duration(took).text if took else "",
        )
