"""Tables: columns, order, filter and page, all read from the address.

A table works on rows in memory (`Table`) or on a queryset (`keyset.Rows`). Its page begins behind a
row, not at a number, so that it does not shift when rows come in. The order is a column's name,
with a minus for the greatest first; a filter is the column's name with the value that it must have.
Several tables of one page tell their parameters apart by a prefix.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from django.db.models import Q

from dashboard.pages.page import Frame, Link
from dashboard.usage.filter_values import FilterError

PAGE = 50
NOTHING = Q(pk__in=())
TEXTS = ("text", "state", "names", "name", "id", "model", "models", "branch", "tool_times")
"""The kinds of cells that are not numbers."""
EMPTY: tuple[Any, ...] = (None, "", (), [])
"""What is shown as a dash."""
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    name     its name in the address and in exports;  kind   how it is written: a row of cells.KINDS
    value    row -> what is shown, sorted by and exported; None is unknown
    filter   whether a click on a value filters by it
    link     row -> address of the page behind it
    where    value of a filter -> condition, for querysets; by the field otherwise. FilterError
             where a value makes no sense
    words    value of a filter -> what its chip says; the value itself otherwise
    field    the field of a queryset that sorts this column; "" where it cannot be sorted
    exports, shown   whether it is in files, and on the page
    """

    name: str
    title: str
    kind: str = "text"
    value: Callable[[Any], Any] | None = None
    hint: str = ""
    filter: bool = False
    link: Callable[[Any], str] | None = None
    where: Callable[[str], Q] | None = None
    words: Callable[[str], str] | None = None
    field: str = ""
    sorts: bool = True
    exports: bool = True
    shown: bool = True

    def of(self, row: Any) -> Any:
        return self.value(row) if self.value else getattr(row, self.name)

    def condition(self, text: str) -> Q:
        """What a filter by this column asks for; nothing fits what makes no sense."""
        try:
            return self.where(text) if self.where else Q()
        except FilterError:
            return NOTHING

    def fault(self, text: str) -> str:
        """What is wrong with the value of a filter; "" for nothing."""
        try:
            _ = self.where and self.where(text)
        except FilterError as error:
            return f"{self.title}: {error}"
        return ""

    @property
    def is_number(self) -> bool:
        return self.kind not in TEXTS


@dataclass(frozen=True, slots=True)
class Cursor:
    """The row that the page before ended with: its value in the ordering column, its identity."""

    value: Any
    identity: str

    def text(self) -> str:
        encoded = json.dumps([self.value, self.identity], default=str, separators=(",", ":"))
        return urlsafe_b64encode(encoded.encode()).decode().rstrip("=")

    @classmethod
    def read(cls, text: str) -> Cursor | None:
        """None where it is not one of ours."""
        try:
            decoded = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            value, identity = json.loads(decoded, parse_constant=_no_number)
        except (ValueError, TypeError):
            return None
        plain = value is None or isinstance(value, int | float) or _is_text(value)
        return cls(value, identity) if plain and isinstance(identity, str) else None


def _is_text(value: object) -> bool:
    """Whether a database takes it as text."""
    if not isinstance(value, str) or "\x00" in value:
        return False
    return value.encode(errors="replace") == value.encode(errors="ignore")


def _no_number(text: str) -> None:
    """NaN and the like are not more or less than anything."""
    raise ValueError(text)


@dataclass(frozen=True, slots=True)
class SortOrder:
    column: Column
    descending: bool

    @property
    def text(self) -> str:
        return f"-{self.column.name}" if self.descending else self.column.name


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a table.

    total      rows of all pages, None where counting would be dear;  after  the next page's cursor
    at_least   what was counted before counting became dear
    looked_at  of how many rows the page was made, where there are more
    """

    rows: Sequence[Row]
    total: int | None
    first: int | None
    after: Cursor | None
    at_least: int | None = None
    looked_at: int | None = None


class RowSource(Protocol[Row]):
    """Where rows come from."""

    def page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> Page[Row]: ...

    def pieces(
        self, order: SortOrder, usual: SortOrder, filters: dict[Column, str]
    ) -> Iterator[Sequence[Row]]:
        """Every row that filters let through, some at a time. `usual`: the order of a table that
        nobody sorted, which a source may keep to."""
        ...


@dataclass
class Table(Generic[Row]):
    """One table of a page.

    default   the order when the address names none, as in the address
    prefix    in front of its parameters; "" for the only or the greatest table of a page
    empty     the sentence when there is nothing
    """

    frame: Frame
    title: str
    columns: Sequence[Column]
    source: RowSource[Row]
    default: str
    prefix: str = ""
    empty: str = "Nothing here yet."
    limit: int = PAGE
    note: str = ""

    def parameter(self, name: str) -> str:
        return f"{self.prefix}-{name}" if self.prefix else name

    def asked(self, name: str) -> str:
        return self.frame.asked.get(self.parameter(name), "")

    @cached_property
    def order(self) -> SortOrder:
        return self._order(self.asked("sort")) or self.usual_order

    @property
    def usual_order(self) -> SortOrder:
        order = self._order(self.default)
        if order is None:
            raise ValueError(f"{self.default}: no column to sort by has this name")
        return order

    def _order(self, text: str) -> SortOrder | None:
        name = text.removeprefix("-")
        for column in self.columns:
            if column.name == name and column.sorts:
                return SortOrder(column, text.startswith("-"))
        return None

    @property
    def shown_columns(self) -> list[Column]:
        return [column for column in self.columns if column.shown]

    @cached_property
    def bare_columns(self) -> frozenset[str]:
        """Names of columns with nothing in any row of the page, which narrow windows leave out."""
        return frozenset(
            column.name
            for column in self.shown_columns
            if column != self.order.column
            and all(column.of(row) in EMPTY for row in self.page.rows)
        )

    @cached_property
    def filters(self) -> dict[Column, str]:
        values = {c: self.asked(c.name) for c in self.columns if c.filter}
        return {column: text for column, text in values.items() if text}

    @cached_property
    def page(self) -> Page[Row]:
        after = Cursor.read(self.asked("after")) if self.asked("after") else None
        return self.source.page(self.order, self.filters, after, self.limit)

    def pieces(self) -> Iterator[Sequence[Row]]:
        """The rows of all pages, some at a time."""
        return self.source.pieces(self.order, self.usual_order, self.filters)

    @property
    def is_whole(self) -> bool:
        """Whether the page has all rows."""
        return self.is_first and not self.has_more

    @property
    def is_first(self) -> bool:
        return not self.asked("after")

    @property
    def looks_further(self) -> bool:
        """Whether the next page is of rows that were not looked at yet."""
        return bool(self.page.looked_at and self.order.column.name == "time" and self.has_more)

    @property
    def has_more(self) -> bool:
        return self.page.after is not None

    # --- links ---

    def here(self, *without: str, **changes: str) -> str:
        """This page with other parameters of this table."""
        gone = [self.parameter(name) for name in without]
        parameters = {self.parameter(name): text for name, text in changes.items()}
        anchor = f"#{self.anchor}" if self.prefix else ""
        return self.frame.here(*gone, **parameters) + anchor

    @property
    def anchor(self) -> str:
        return self.prefix or "table"

    def sort_link(self, column: Column) -> Link:
        """Sorts by this column: numbers from the greatest, a second time the other way round."""
        current = self.order.column == column
        descending = not self.order.descending if current else column.is_number
        text = SortOrder(column, descending).text
        return Link(column.title, self.here("after", sort=text), current, column.hint)

    def filter_href(self, column: Column, value: Any) -> str:
        return self.here("after", **{column.name: str(value)})

    def filter_links(self) -> list[Link]:
        """The filters that are on, each with the address without it."""
        return [
            Link(
                f"{column.title}: {column.words(text) if column.words else text}",
                self.here("after", column.name),
            )
            for column, text in self.filters.items()
        ]

    @cached_property
    def faults(self) -> list[str]:
        """What is wrong with the filters of the address, in sentences."""
        return list(filter(None, (c.fault(text) for c, text in self.filters.items())))

    def clear_href(self) -> str:
        """Without filters, from the first page."""
        return self.here("after", *(column.name for column in self.filters))

    def next_href(self) -> str:
        cursor = self.page.after
        return self.here(after=cursor.text()) if cursor else ""

    def first_href(self) -> str:
        return self.here("after")

    def export_links(self, all_rows: bool = False) -> list[Link]:
        table = {"table": self.prefix} if self.prefix else {}
        scope = {"rows": "all"} if all_rows else {}
        return [
            Link(name.upper(), self.frame.here(format=name, **table, **scope))
            for name in ("csv", "json")
        ]

    def all_export_links(self) -> list[Link]:
        return self.export_links(all_rows=True)


class InMemory(Generic[Row]):
    """Rows that are all there. `identity`: row -> what tells it from every other."""

    def __init__(self, rows: Iterable[Row], identity: Callable[[Row], str]) -> None:
        self.rows = list(rows)
        self.identity = identity

    def page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> Page[Row]:
        found = self._sorted(order, filters)
        start = self._start(found, order, after)
        end = start + limit
        shown = found[start:end]
        cursor = None
        if end < len(found):
            cursor = Cursor(order.column.of(shown[-1]), self.identity(shown[-1]))
        return Page(shown, len(found), start + 1, cursor)

    def pieces(
        self, order: SortOrder, usual: SortOrder, filters: dict[Column, str]
    ) -> Iterator[Sequence[Row]]:
        yield self._sorted(order, filters)

    def _sorted(self, order: SortOrder, filters: dict[Column, str]) -> list[Row]:
        place = self._place(order)
        return sorted(self.passing(filters), key=place, reverse=order.descending)

    def passing(self, filters: dict[Column, str]) -> list[Row]:
        """The rows that filters let through, in no order."""
        return [row for row in self.rows if _passes(row, filters)]

    def _start(self, found: list[Row], order: SortOrder, after: Cursor | None) -> int:
        """How many rows stand in front of the page."""
        if after is None:
            return 0
        last, place = _rank(after.value, after.identity, order.descending), self._place(order)
        for number, row in enumerate(found):
            if place(row) < last if order.descending else place(row) > last:
                return number
        return len(found)

    def _place(self, order: SortOrder) -> Callable[[Row], tuple[Any, ...]]:
        return lambda row: _rank(order.column.of(row), self.identity(row), order.descending)


def _passes(row: Any, filters: dict[Column, str]) -> bool:
    return all(str(column.of(row)) == text for column, text in filters.items())


def _rank(value: Any, identity: str, descending: bool) -> tuple[Any, ...]:
    """What is unknown comes last, in both directions. Texts and numbers never meet."""
    missing = (value is None) != descending
    if hasattr(value, "isoformat"):
        value = value.isoformat()
    is_text = isinstance(value, str)
    plain = value.casefold() if is_text else (value or 0)
    return missing, is_text, plain, identity
