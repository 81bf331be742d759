"""Failed requests whose kept prompt or answer holds some words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from bridge.models import UsageRecord
from bridge.outcomes import ABANDONED
from dashboard.usage.periods import Range

LONGEST = 200
"""Characters that are looked for, at most."""
MOST_READ = 1000
"""Samples that one search reads, the newest first; each is some thirty thousand characters."""
MOST = 50
AT_ONCE = 100
AROUND = 60
"""Characters that are shown on each side of what was looked for."""


@dataclass(frozen=True, slots=True)
class SampleSearch:
    """`found`: the requests, each with where the words stand;  `read`: samples looked through;
    `is_partial`: there are more samples, or more of them fit."""

    found: list[tuple[UsageRecord, str]]
    read: int
    is_partial: bool


def search(span: Range, text: str) -> SampleSearch:
    """In what failed within a range. One query, bounded by MOST_READ."""
    rows = UsageRecord.objects.filter(
        time__gte=span.start, time__lt=span.end, sample_bytes__gt=0, status__gte=400
    )
    newest = rows.exclude(status=ABANDONED).order_by("-time")[: MOST_READ + 1]
    needles = _needles(text)
    found, read = list[tuple[UsageRecord, str]](), 0
    for row in newest.iterator(AT_ONCE):
        if read == MOST_READ or len(found) == MOST:
            return SampleSearch(found, read, is_partial=True)
        read += 1
        excerpt = next(_excerpts(row, needles), "")
        if excerpt:
            found.append((row, excerpt))
    return SampleSearch(found, read, is_partial=False)


def _needles(text: str) -> list[str]:
    """The words as they are typed, and as they stand in the source of JSON."""
    sources = (json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (False, True))
    return list(dict.fromkeys(each.casefold() for each in (text, *sources)))


def _excerpts(row: UsageRecord, needles: list[str]) -> Iterator[str]:
    sample = row.detail.get("sample")
    if not isinstance(sample, dict):
        return
    for part in (sample.get("request"), sample.get("answer")):
        whole = part if isinstance(part, str) else ""
        folded = whole.casefold()
        for needle in needles:
            if (at := folded.find(needle)) >= 0:
                yield _around(whole, at, len(needle))


def _around(text: str, at: int, length: int) -> str:
    """What stands there, with its surroundings; where folding changed lengths, nearby."""
    begin, end = max(0, at - AROUND), at + length + AROUND
    before, behind = "…" if begin else "", "…" if end < len(text) else ""
    return f"{before}{' '.join(text[begin:end].split())}{behind}"
