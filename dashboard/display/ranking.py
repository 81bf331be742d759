"""Who is greatest: a short list with bars, for the top of a page. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dashboard.display import charts
from dashboard.usage.totals import Totals

SHOWN = 5
Group = tuple[str, str, str, str, Totals]
"""Name, what its colour comes from, its address and that of its requests ("": none), sums."""
WIDTH = 100


@dataclass(frozen=True, slots=True)
class Ranked:
    """One line. `width`: its bar, of WIDTH;  `part`: its share of all tokens."""

    name: str
    href: str
    requests_href: str
    total: Totals
    width: float
    part: float
    tone: str


@dataclass(frozen=True, slots=True)
class Remainder:
    """What the lines do not show."""

    count: int
    total: Totals


def ranked(
    groups: Iterable[Group], most: int = SHOWN, others: Remainder | None = None
) -> tuple[list[Ranked], Remainder | None]:
    """The greatest by tokens, then by requests; and the rest. `others`: none of them is greater."""
    found = [group for group in groups if group[4].requests]
    found.sort(key=lambda group: (-group[4].tokens, -group[4].requests, group[0]))
    more = others or Remainder(0, Totals())
    greatest = max((group[4].tokens for group in found), default=0) or 1
    every = sum(group[4].tokens for group in found) + more.total.tokens or 1
    lines = [
        Ranked(
            name,
            href,
            requests_href,
            total,
            max(WIDTH * total.tokens / greatest, 0.5),
            total.tokens / every,
            charts.tone(seed),
        )
        for name, seed, href, requests_href, total in found[:most]
    ]
    rest = [group[4] for group in found[most:]]
    count = len(rest) + more.count
    return lines, Remainder(count, sum(rest, more.total)) if count else None
