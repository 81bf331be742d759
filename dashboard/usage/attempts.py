"""Sums of attempts at one backend, and what follows from them. Pure.

A ratio is None where there is nothing to divide by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from bridge.attempts import ANSWERED, FAILURES, KINDS, REFUSED
from bridge.models.latency import DURATION, FIRST_TOKEN, HEADERS, percentile


@dataclass(frozen=True, slots=True)
class AttemptSums:
    """`sums`: column of `AttemptHour` -> sum. Empty: nothing was asked."""

    sums: Mapping[str, int] = field(default_factory=dict)

    @property
    def asked(self) -> int:
        return self._of("asked")

    @property
    def failed(self) -> int:
        return sum(self._of(kind) for kind in FAILURES)

    @property
    def refused(self) -> int:
        return self._of(REFUSED)

    @property
    def fell_back(self) -> int:
        return self._of("fell_back")

    @property
    def failed_share(self) -> float | None:
        return self.failed / self.asked if self.asked else None

    @property
    def refused_share(self) -> float | None:
        return self.refused / self.asked if self.asked else None

    def kinds(self, names: Sequence[str] = (*KINDS,)) -> Iterator[tuple[str, int]]:
        """What they came to, in words, and how many; without those that never happened."""
        for name in names:
            if name != ANSWERED and (count := self._of(name)):
                yield KINDS[name].noun, count

    def headers(self, part: float) -> float | None:
        """Milliseconds within which that share of the answered attempts had its headers."""
        return self._percentile(HEADERS, part)

    def first_token(self, part: float) -> float | None:
        return self._percentile(FIRST_TOKEN, part)

    def duration(self, part: float) -> float | None:
        return self._percentile(DURATION, part)

    def _percentile(self, columns: Sequence[str], part: float) -> float | None:
        seconds = percentile([self._of(name) for name in columns], part)
        return None if seconds is None else seconds * 1000

    def _of(self, name: str) -> int:
        return self.sums.get(name, 0)
