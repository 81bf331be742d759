"""Whether prompts that repeat come from a backend's cache, and if not, why not. Pure.

Each turn of a conversation sends again all earlier messages. How much of a prompt begins as the
turn before did is counted in bytes by the gateway; how much of it was not computed again is
reported in tokens by the backend. The two shares are close enough to be compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.display.cells import StateCell
from dashboard.usage.totals import Totals

LITTLE = 0.2
"""Less of the prompts repeats: there is nothing to save."""
MOST = 0.75
"""From this share of what repeats on, the cache does its work."""

OFTEN = 0.05
"""From this share of requests on, changes of the list of tools are what to do something about."""

WORKS = StateCell("works", "good")
PARTLY = StateCell("works partly", "warn")
UNUSED = StateCell("not used", "bad")
TOOLS_CHANGE = StateCell("tools change", "warn")
LITTLE_REPEATS = StateCell("little repeats", "quiet")
UNKNOWN = StateCell("not known", "quiet")


@dataclass(frozen=True, slots=True)
class StateMeaning:
    """A verdict in words: what it says, and what can be done."""

    state: StateCell
    text: str


MEANINGS = (
    StateMeaning(
        WORKS,
        "Nearly all that repeats is read from the backend’s cache. Such tokens are not computed "
        "again: the answer begins sooner, and costs less where cached tokens have a price of "
        "their own.",
    ),
    StateMeaning(
        PARTLY,
        "Prompts repeat, but part of it is computed again. Usual causes: several servers behind "
        "one address take turns, the cache is too small and forgets between two turns, or a turn "
        "came after a long pause.",
    ),
    StateMeaning(
        UNUSED,
        "Prompts repeat, and the backend tells of no cached token. Either it has no prefix cache, "
        "or it does not report it: vLLM needs --enable-prompt-tokens-details, SGLang "
        "--enable-cache-report. Compare the time to the first token of long sessions to see which.",
    ),
    StateMeaning(
        TOOLS_CHANGE,
        "Every twentieth request or more has another list of tools than the turn before. Chat "
        "templates put tools in front of all messages, so that nothing behind them comes from the "
        "cache. Claude Code adds the tools that its model looks up (ToolSearch): with "
        "ENABLE_TOOL_SEARCH=false in its environment all of them are there from the first turn on.",
    ),
    StateMeaning(
        LITTLE_REPEATS,
        "Most prompts are new, as in single questions and batches, so a cache has little to save. "
        "Should these be conversations, then something at the beginning of each prompt changes "
        "from turn to turn: a date, a random id, or tools in another order.",
    ),
    StateMeaning(UNKNOWN, "No prompt was measured in this time."),
)


def verdict(total: Totals) -> StateCell:
    """How well caching works for these requests."""
    repeated, cached = total.repeated_share, total.cached_share
    if repeated is None or cached is None:
        return UNKNOWN
    if total["tool_lists_changed"] >= OFTEN * total["requests"] > 0:
        return TOOLS_CHANGE
    if repeated < LITTLE:
        return WORKS if cached >= LITTLE else LITTLE_REPEATS
    if not total["cache_read_tokens"]:
        return UNUSED
    return WORKS if cached >= MOST * repeated else PARTLY


def computed_again(total: Totals) -> float | None:
    """Tokens that repeated and were not read from a cache, about."""
    repeated, cached = total.repeated_share, total.cached_share
    if repeated is None or cached is None:
        return None
    return max(0.0, repeated - cached) * total.prompt_tokens


def meanings(seen: set[StateCell]) -> list[StateMeaning]:
    """The words for the verdicts that a page shows."""
    return [meaning for meaning in MEANINGS if meaning.state in seen]
