"""Where the time of one request went. Pure.

The ledger has moments: when the key was checked, the request translated, the backend connected,
when its headers and its first token came. Between two of them lies a phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.display import formatting

WIDTH = 1000.0
LEAST = 3.0
"""What took any time at all is this wide."""

_PHASES: tuple[tuple[str, str, str], ...] = (
    ("auth_after", "auth", "Request read, key checked"),
    ("translated_after", "translate", "Route found, request translated"),
    ("connected_after", "connect", "Backend connected"),
    ("headers_after", "wait", "Backend’s first byte"),
    ("first_token_after", "prompt", "First token"),
)
"""Moment of the record -> the phase that ends with it, and what was reached."""
_UNREACHED = {
    "auth": "Ended before the key was checked",
    "translate": "Ended before a backend was chosen",
    "wait": "Ended before the backend’s first byte",
    "prompt": "Ended before the first token",
}
"""The phase that was under way at the end -> its words."""
_LAST = ("answer", "Last byte of the answer")
OWN = ("auth", "translate")
"""The phases in which nobody but the gateway is at work."""


@dataclass(frozen=True, slots=True)
class TimingPhase:
    """`start`, `end` in milliseconds since the request arrived.

    reached   False: the request ended before what the phase waits for
    x, width  in a bar of WIDTH
    """

    name: str
    words: str
    start: float
    end: float
    reached: bool = True
    x: float = 0.0
    width: float = 0.0

    @property
    def ms(self) -> float:
        return self.end - self.start

    @property
    def took(self) -> str:
        return precise(self.ms)

    @property
    def until(self) -> str:
        return precise(self.end)

    @property
    def summary(self) -> str:
        """In one line."""
        return f"{self.words}: {precise(self.start)} to {precise(self.end)}"


@dataclass(frozen=True, slots=True)
class Timing:
    """The phases of one request, in order; together they are all of its time.

    `earlier`: milliseconds that attempts before the last one took, which lie in the first phases.
    """

    phases: tuple[TimingPhase, ...]
    total: float
    earlier: float = 0.0

    @property
    def own(self) -> str:
        """What the gateway itself took before it asked a backend."""
        own = sum(phase.ms for phase in self.phases if phase.name in OWN)
        return precise(max(0.0, own - self.earlier))

    @property
    def is_reused(self) -> bool:
        """Whether the connection was there already."""
        names = {phase.name for phase in self.phases}
        return "wait" in names and "connect" not in names


def precise(ms: float) -> str:
    """A duration; of less than ten milliseconds their tenths, too."""
    if 0 < ms < 9.95:
        return f"{ms:.1f}{formatting.THIN}ms"
    return formatting.duration(ms).text


def timing(moments: Mapping[str, float | None], total: float, earlier: float = 0.0) -> Timing:
    """`moments` in seconds by their names in the record, `total` in milliseconds; `earlier`: what
    attempts at other targets than the last took."""
    found: list[TimingPhase] = []
    at = 0.0
    for moment, name, words in _PHASES:
        seconds = moments.get(moment)
        if seconds is None:
            continue
        end = min(max(at, seconds * 1000), max(total, at))
        found.append(TimingPhase(name, words, at, end))
        at = end
    if total > at or not found:
        found.append(_rest(found, at, total))
    return Timing(_placed(found, max(total, at)), total, earlier)


def _rest(found: list[TimingPhase], at: float, total: float) -> TimingPhase:
    """What was under way at the end."""
    names = [name for _, name, _ in _PHASES]
    if found and found[-1].name == names[-1]:
        return TimingPhase(*_LAST, at, total)
    reached = names.index(found[-1].name) + 1 if found else 0
    name = "wait" if names[reached] == "connect" else names[reached]
    return TimingPhase(name, _UNREACHED[name], at, total, reached=False)


def _placed(phases: list[TimingPhase], total: float) -> tuple[TimingPhase, ...]:
    """Side by side in a bar. What is too narrow to be seen takes a little from the widest."""
    if total <= 0:
        return tuple(phases)
    widths = [WIDTH * phase.ms / total for phase in phases]
    seen = [
        max(width, LEAST) if phase.ms else 0.0 for width, phase in zip(widths, phases, strict=True)
    ]
    widest = seen.index(max(seen))
    seen[widest] -= sum(seen) - WIDTH
    placed, x = [], 0.0
    for phase, width in zip(phases, seen, strict=True):
        placed.append(
            TimingPhase(phase.name, phase.words, phase.start, phase.end, phase.reached, x, width)
        )
        x += width
    return tuple(placed)
