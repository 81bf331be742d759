"""The bars of keys, people or teams: read for those that a page shows, and not for every one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

from django.db.models import Q

from dashboard.queries.hours import Group, Sums, sums
from dashboard.usage.periods import Range
from dashboard.usage.totals import TOKENS, Totals

SHOWN = ("requests", *TOKENS)
MOST_NAMED = 500
"""Groups that a query names; more are read with all others."""


class Bars:
    """`by`: the columns that tell groups apart. What has no use has empty bars."""

    def __init__(self, span: Range, by: Sequence[str]) -> None:
        self._span, self._by = span, tuple(by)
        self._read: dict[Group, Sequence[Totals]] = {}
        self._is_whole = False
        self._nothing = Sums.nothing(span).slots

    def read(self, groups: Iterable[Group]) -> None:
        """Have these at hand. One query where some are not yet."""
        missing = [group for group in dict.fromkeys(groups) if group not in self._read]
        if not missing or self._is_whole:
            return
        if len(missing) > MOST_NAMED:
            self._read_all()
            return
        found = sums(self._span, self._by, SHOWN, self._any_of(missing), compared=False)
        for group in missing:
            self._read[group] = found[group].slots if group in found else self._nothing

    def _read_all(self) -> None:
        found = sums(self._span, self._by, SHOWN, compared=False)
        self._read |= {group: each.slots for group, each in found.items()}
        self._is_whole = True

    def _any_of(self, groups: Iterable[Group]) -> Q:
        """By the first of their columns within each value of the others."""
        first, *others = self._by
        values: dict[Group, list[Any]] = {}
        for group in groups:
            values.setdefault(group[1:], []).append(group[0])
        found = Q()
        for rest, own in values.items():
            found |= Q(**{f"{first}__in": own}, **dict(zip(others, rest, strict=True)))
        return found

    def of(self, group: Group) -> Sequence[Totals]:
        """One for each bar of the range. Reads all groups where this one is not at hand."""
        if group not in self._read and not self._is_whole:
            self._read_all()
        return self._read.get(group, self._nothing)

    @cached_property
    def everything(self) -> Sequence[Totals]:
        """Of all groups together. One query."""
        return sums(self._span, (), SHOWN, compared=False)[()].slots
