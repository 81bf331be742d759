"""The bar above a list of requests: its filters as a form, and what a visitor saved of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from dashboard.pages.page import Frame, Link, address
from dashboard.queries.finding.known_names import SavedQuery
from dashboard.tables.request_filters import BAR, RequestFilter
from dashboard.tables.table import Table
from dashboard.usage.periods import CUSTOM

OUTCOMES = ("", "answered", "refused", "abandoned", "error")
OF_TIME = ("range", "from", "to")
NOT_SAVED = ("tz", "after", "format", "rows", "table", "compare")


@dataclass(frozen=True, slots=True)
class Control:
    """One input of the form, with the value that it has."""

    filter: RequestFilter
    value: str

    @property
    def id(self) -> str:
        return f"filter-{self.filter.name}"

    @property
    def is_unlisted(self) -> bool:
        """Whether the address asks for something that the list of options has not."""
        return bool(self.value) and self.value not in (self.filter.options or {})


@dataclass(frozen=True, slots=True)
class FilterBar:
    """Above `table`, whose filters it shows. `views`: of the visitor."""

    frame: Frame
    table: Table[Any]
    filters: Mapping[str, RequestFilter]
    views: Sequence[SavedQuery]

    @property
    def count(self) -> int:
        """Filters that are on."""
        return len(self.table.filters)

    @property
    def fault(self) -> bool:
        return bool(self.table.faults)

    def groups(self) -> Iterator[tuple[str, list[Control]]]:
        asked = self.frame.asked
        for title, names in BAR:
            yield title, [Control(self.filters[name], asked.get(name, "")) for name in names]

    def hidden(self) -> list[tuple[str, str]]:
        """What the form keeps of the address: the order, the time, filters of links."""
        shown = {name for _, names in BAR for name in names} | {"after", "from", "to"}
        parameters = {**self.frame.own, **self.frame.kept}
        return [(name, text) for name, text in parameters.items() if name not in shown]

    def outcomes(self) -> list[Link]:
        """The filter that is used most, one click each."""
        asked = self.frame.asked.get("outcome", "")
        return [
            Link(word or "all", self.table.here("after", outcome=word), word == asked)
            for word in OUTCOMES
        ]

    @property
    def first(self) -> str:
        return self._bound(self.frame.range.start)

    @property
    def last(self) -> str:
        return self._bound(self.frame.range.end)

    def _bound(self, moment: datetime) -> str:
        """As an input for local times takes it; "" where no times were asked for."""
        asked = self.frame.range.name == CUSTOM
        return f"{self.frame.range.local(moment):%Y-%m-%dT%H:%M}" if asked else ""

    # --- saved views ---

    @property
    def query(self) -> str:
        """The parameters that a view would have."""
        parameters = {**self.frame.own, **self.frame.kept}
        return urlencode(
            {k: v for k, v in parameters.items() if v and k not in NOT_SAVED}, safe="/:"
        )

    def saved(self) -> list[tuple[int, Link]]:
        """The visitor's views by their numbers; the one that is shown is current."""
        own = dict(parse_qsl(self.query))
        return [
            (
                view.pk,
                Link(
                    view.name,
                    address(
                        self.frame.request.path,
                        {**dict(parse_qsl(view.query)), "tz": str(self.frame.zone)},
                    ),
                    dict(parse_qsl(view.query)) == own,
                ),
            )
            for view in self.views
        ]
