"""Pages of a queryset that begin behind a row: they stay where they are when rows come in.

A file of all rows is made the same way, in pieces of many rows, each read by a query of its own. So
it needs no more memory for a million rows than for a thousand, and no query is open meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import F, Model, Q, QuerySet
from django.utils.dateparse import parse_datetime

from dashboard.tables.table import NOTHING, Column, Cursor, Page, SortOrder

Row = TypeVar("Row", bound=Model)
ROWS_AT_ONCE = 2000
"""How many rows of a file are read at once."""
MOST_LOOKED_AT = 20_000
"""So many rows of a million are looked at within a tenth of a second."""
MOST_COUNTED = 10_000
_IDENTITY = re.compile(r"[0-9]{1,18}")


class Rows(Generic[Row]):
    """The rows of a queryset. Columns name what they sort and filter by in `field`."""

    def __init__(self, queryset: QuerySet[Row]) -> None:
        self.queryset = queryset

    def page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> Page[Row]:
        name = order.column.field or order.column.name
        rows = self.queryset
        for column, text in filters.items():
            rows = rows.filter(_condition(rows, column, text))
        if after is not None and _IDENTITY.fullmatch(after.identity):
            rows = _behind(rows, name, order.descending, after)
        found = list(_ordered(rows, name, order.descending)[: limit + 1])
        shown = found[:limit]
        cursor = None
        if len(found) > limit:
            cursor = Cursor(_plain(_value(shown[-1], name)), str(shown[-1].pk))
        return Page(shown, None, None, cursor)

    def counted_page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> tuple[Page[Row], int]:
        """And how many rows there are behind the cursor, up to one more than MOST_COUNTED. Goes
        through the rows once, where counting them apart would do it twice."""
        name = order.column.field or order.column.name
        rows = self.queryset
        for column, text in filters.items():
            # Negated twice: else SQLite may go by the index of this filter, through all its rows.
            rows = rows.filter(~Q(~_condition(rows, column, text)))
        if after is not None and _IDENTITY.fullmatch(after.identity):
            rows = _behind(rows, name, order.descending, after)
        keys = _ordered(rows, name, order.descending).values_list("pk", flat=True)
        found = list(keys[: MOST_COUNTED + 1])
        few = Rows(self.queryset.model._default_manager.filter(pk__in=found[: limit + 1]))
        return few.page(order, {}, None, limit), len(found)

    def pieces(
        self, order: SortOrder, usual: SortOrder, filters: dict[Column, str]
    ) -> Iterator[Sequence[Row]]:
        """In the usual order of the table, either way round: an index keeps it, so that each piece
        takes the same time. In any other one each piece would sort all rows anew."""
        order = order if order.column == usual.column else usual
        after: Cursor | None = None
        while True:
            page = self.page(order, filters, after, ROWS_AT_ONCE)
            yield page.rows
            after = page.after
            if after is None:
                return


class RecentRows(Rows[Row]):
    """Rows by time of which no page costs more than looking at MOST_LOOKED_AT of them.

    What an index finds is all looked at; other filters and orders are for the newest rows among
    that, and the page says so where there are more. `indexed`: a filter's name -> its text -> what
    an index finds, None for nothing; `exactly` names the filters that ask for no more than that.
    """

    def __init__(
        self,
        queryset: QuerySet[Row],
        indexed: Mapping[str, Callable[[str], Q | None]],
        exactly: Collection[str],
    ) -> None:
        super().__init__(queryset)
        self.indexed = indexed
        self.exactly = exactly

    def page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> Page[Row]:
        """At most three queries."""
        by_time = order.column.name == "time"
        name, found = self._found_by_index(filters)
        rest = [column for column in filters if column.name != name or name not in self.exactly]
        if limit >= ROWS_AT_ONCE:
            return super().page(order, filters, after, limit)
        if by_time and not rest:
            page = super().page(order, filters, after, limit)
            return page if after else _counted(page, _count(found.order_by()), True)
        if by_time and after is not None and _IDENTITY.fullmatch(after.identity):
            found = _behind(found, "time", order.descending, after)
        found = _ordered(found, "time", order.descending or not by_time)
        ends = list(found.values_list("time", "pk")[MOST_LOOKED_AT - 1 : MOST_LOOKED_AT + 1])
        last = ends[0] if len(ends) > 1 else None
        recent = Rows(self.queryset.filter(pk__in=found.values("pk")[:MOST_LOOKED_AT]))
        page, count = recent.counted_page(order, filters, None if by_time else after, limit)
        if after is None:
            page = _counted(page, count, last is None)
        if last is None or (by_time and page.after):
            return page
        further = Cursor(_plain(last[0]), str(last[1])) if by_time else page.after
        return replace(page, after=further, looked_at=MOST_LOOKED_AT)

    def _found_by_index(self, filters: dict[Column, str]) -> tuple[str, QuerySet[Row]]:
        """The first filter that an index helps, and the rows that it finds."""
        texts = {column.name: text for column, text in filters.items()}
        for name, condition in self.indexed.items():
            found = condition(texts[name]) if name in texts else None
            if found is not None:
                return name, self.queryset.filter(found)
        return "", self.queryset


def _count(rows: QuerySet[Any]) -> int:
    """At most one more than MOST_COUNTED."""
    return rows[: MOST_COUNTED + 1].count()


def _counted(page: Page[Row], count: int, is_all: bool) -> Page[Row]:
    """A first page with how many rows there are."""
    if count > MOST_COUNTED or not is_all:
        return replace(page, at_least=min(count, MOST_COUNTED))
    return replace(page, total=count)


def _condition(rows: QuerySet[Any], column: Column, text: str) -> Q:
    """What a filter asks for; nothing fits a value that the column cannot have."""
    if "\x00" in text:
        return NOTHING
    if column.where is not None:
        return column.condition(text)
    name = column.field or column.name
    field: Any = rows.model._meta.get_field(name)
    try:
        return Q(**{name: field.to_python(text)})
    except ValidationError:
        return NOTHING


def _ordered(rows: QuerySet[Row], name: str, descending: bool) -> QuerySet[Row]:
    last = True if _may_lack(rows, name) else None
    if descending:
        return rows.order_by(F(name).desc(nulls_last=last), "-pk")
    return rows.order_by(F(name).asc(nulls_last=last), "pk")


def _behind(rows: QuerySet[Row], name: str, descending: bool, after: Cursor) -> QuerySet[Row]:
    side, pk = ("lt" if descending else "gt"), int(after.identity)
    if after.value is None:
        return rows.filter(**{f"{name}__isnull": True, f"pk__{side}": pk})
    try:
        value = _typed(rows, name, after.value)
    except (ValidationError, ValueError, TypeError, OverflowError):
        return rows
    tied = Q(**{name: value, f"pk__{side}": pk})
    beyond = Q(**{f"{name}__{side}": value}) | tied
    if _may_lack(rows, name):
        return rows.filter(beyond | Q(**{f"{name}__isnull": True}))
    # Says nothing new; without it SQLite does not use the index.
    return rows.filter(beyond, **{f"{name}__{side}e": value})


def _may_lack(rows: QuerySet[Any], name: str) -> bool:
    """Whether rows may have no value; a sum that the query makes has always one."""
    if name in rows.query.annotations:
        return False
    return bool(getattr(rows.model._meta.get_field(name), "null", False))


def _value(row: Model, name: str) -> Any:
    return getattr(row, name)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(rows: QuerySet[Any], name: str, value: Any) -> Any:
    if isinstance(value, str) and (moment := parse_datetime(value)) is not None:
        return moment.astimezone(UTC)
    if name in rows.query.annotations:
        return int(value)
    field: Any = rows.model._meta.get_field(name)
    return field.to_python(value)
