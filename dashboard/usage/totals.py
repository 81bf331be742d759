"""Sums of a stretch of time, and what follows from them. Pure.

A ratio is None where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bridge.models.latency import DURATION, FIRST_TOKEN, percentile

OUTCOMES = ("requests", "errors", "refused", "abandoned")
TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
COST = ("cost_nano_usd", "unpriced")
USE = (*OUTCOMES, *TOKENS, *COST, "estimated")
"""What nearly every page shows. The fewer columns are summed, the sooner a page is there."""
WAITING = ("first_tokens", "first_token_ms")
SPEED = ("generated_tokens", "generation_ms")
JUDGED = ("calls_flagged", "calls_not_flagged", "calls_skipped", "calls_unanswered")
PREFIXES = ("prompt_bytes", "repeated_bytes", "tool_lists_changed", "tools_added")
COUNTED = (
    *USE,
    *WAITING,
    *SPEED,
    *PREFIXES,
    *JUDGED,
    "streamed",
    "thinking_tokens",
    "repaired",
    "retried",
    "duration_ms",
)
"""All columns of the ledger that add up, but for the histograms."""


@dataclass(frozen=True, slots=True)
class Totals:
    """`sums`: column of COUNTED, or of a histogram, -> sum. Empty: nothing was counted, all is 0.

    LookupError: a sum is wanted that was not asked for. Better no page than one of wrong zeros.
    """

    sums: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> Totals:
        """Rows added up; members that are no sums are left out."""
        added: dict[str, int] = {}
        for row in rows:
            for name, amount in row.items():
                if name in _SUMMED:
                    added[name] = added.get(name, 0) + (amount or 0)
        return cls(added)

    def __add__(self, other: Totals) -> Totals:
        """Nothing and a sum is the sum itself: pages of many keys add mostly nothing."""
        if not self.sums or not other.sums:
            return self if self.sums else other
        return Totals.of((self.sums, other.sums))

    def __getitem__(self, name: str) -> int:
        """A column's sum. KeyError: there is no such column, so that templates look further."""
        if name not in _SUMMED:
            raise KeyError(name)
        if self.sums and name not in self.sums:
            raise LookupError(f"{name} was not summed")
        return self.sums.get(name, 0)

    @property
    def requests(self) -> int:
        return self["requests"]

    @property
    def answered(self) -> int:
        return self.requests - self["errors"] - self["refused"] - self["abandoned"]

    @property
    def prompt_tokens(self) -> int:
        """The whole prompts: what was new, read from a cache, and written into one."""
        return self["input_tokens"] + self["cache_read_tokens"] + self["cache_write_tokens"]

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self["output_tokens"]

    @property
    def cost(self) -> int | None:
        """Billionths of a dollar, of what could be priced; None when nothing could."""
        cost = self["cost_nano_usd"]
        return None if self["unpriced"] and not cost else cost

    @property
    def error_share(self) -> float | None:
        return _ratio(self["errors"], self.requests)

    @property
    def refused_share(self) -> float | None:
        return _ratio(self["refused"], self.requests)

    @property
    def repaired_share(self) -> float | None:
        return _ratio(self["repaired"], self.answered)

    @property
    def retried_share(self) -> float | None:
        return _ratio(self["retried"], self.requests)

    @property
    def checks(self) -> int:
        """Tool calls of which a client in auto mode asked for a verdict, where a judge is set."""
        return sum(self[name] for name in JUDGED)

    @property
    def cached_share(self) -> float | None:
        """How much of the prompts the backend read from its cache."""
        return _ratio(self["cache_read_tokens"], self.prompt_tokens)

    @property
    def repeated_share(self) -> float | None:
        """How much of the prompts' bytes the turn before had too."""
        return _ratio(self["repeated_bytes"], self["prompt_bytes"])

    @property
    def cost_per_request(self) -> float | None:
        """Of the answered requests; billionths of a dollar."""
        return None if self.cost is None else _ratio(self.cost, self.answered)

    @property
    def tokens_per_second(self) -> float | None:
        """After the first token."""
        per_ms = _ratio(self["generated_tokens"], self["generation_ms"])
        return None if per_ms is None else per_ms * 1000

    @property
    def mean_first_token(self) -> float | None:
        """Milliseconds."""
        return _ratio(self["first_token_ms"], self["first_tokens"])

    @property
    def prompt_per_request(self) -> float | None:
        return _ratio(self.prompt_tokens, self.requests)

    def first_token(self, part: float) -> float | None:
        """Milliseconds within which that share of the answers began."""
        return self._percentile(FIRST_TOKEN, part)

    def duration(self, part: float) -> float | None:
        """Milliseconds within which that share of the answers ended."""
        return self._percentile(DURATION, part)

    def _percentile(self, columns: Sequence[str], part: float) -> float | None:
        seconds = percentile([self[name] for name in columns], part)
        return None if seconds is None else seconds * 1000


_SUMMED = {*COUNTED, *FIRST_TOKEN, *DURATION}


def _ratio(part: float, all_of_it: float) -> float | None:
    return part / all_of_it if all_of_it else None
