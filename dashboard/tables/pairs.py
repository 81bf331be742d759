"""Every key with each model that it used: too many to be read for the few that a page shows, so the
database sorts them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import Q

from bridge.models import KeyDay, UsageHour
from dashboard.queries import keys
from dashboard.queries.hours import ends_of, whole_days_of
from dashboard.queries.keys import KnownKeys, PairUsage
from dashboard.queries.models import NO_MODEL
from dashboard.tables.table import Column, Cursor, InMemory, Page, SortOrder
from dashboard.usage.periods import Range

_TOKENS = "SUM(input_tokens + cache_read_tokens + cache_write_tokens + output_tokens)"
_COST = (
    "CASE WHEN SUM(unpriced) > 0 AND SUM(cost_nano_usd) = 0 THEN NULL ELSE SUM(cost_nano_usd) END"
)
SORTED: Mapping[str, str] = {"requests": "SUM(requests)", "tokens": _TOKENS, "cost": _COST}
"""Column of the table -> what it is sorted by. Others need names, which the ledger has of then."""
_READ = (
    "key_id, fingerprint, model, requests, input_tokens, cache_read_tokens, cache_write_tokens, "
    "output_tokens, cost_nano_usd, unpriced"
)
_IDENTITY = (
    "(CASE WHEN key_id <> 0 THEN CAST(key_id AS varchar) "
    "WHEN fingerprint <> '' THEN 'f-' || fingerprint ELSE 'none' END || ' ' || model){binary}"
)
_BINARY = {"sqlite": "", "postgresql": ' COLLATE "C"'}
_MOST = 2**63


class PairRows:
    """The rows of a table of `PairUsage`."""

    def __init__(self, span: Range, known: KnownKeys) -> None:
        self._span, self._known = span, known

    def page(
        self, order: SortOrder, filters: dict[Column, str], after: Cursor | None, limit: int
    ) -> Page[PairUsage]:
        names = {column.name: text for column, text in filters.items()}
        is_odd = after is not None and not _is_number(after.value)
        if order.column.name not in SORTED or names.keys() - {"model"} or is_odd:
            return self._every.page(order, filters, after, limit)
        found = _Sorted(self._span, order, names.get("model"))
        rows, total, front = found.page(after, limit + 1)
        cursor = Cursor(rows[limit - 1][3], rows[limit - 1][4]) if len(rows) > limit else None
        return Page(self._uses(rows[:limit]), total, front + 1, cursor)

    def pieces(
        self, order: SortOrder, usual: SortOrder, filters: dict[Column, str]
    ) -> Iterator[Sequence[PairUsage]]:
        yield from self._every.pieces(order, usual, filters)

    @cached_property
    def _every(self) -> InMemory[PairUsage]:
        return InMemory(keys.pairs(self._span, self._known), _identity)

    def _uses(self, rows: Sequence[tuple[Any, ...]]) -> list[PairUsage]:
        """With all of their sums. One query."""
        if not rows:
            return []
        only = Q(key_id__in={row[0] for row in rows}, model__in={row[2] for row in rows})
        found = {_identity(use): use for use in keys.pairs(self._span, self._known, only)}
        return [found[row[4]] for row in rows]


def _identity(use: PairUsage) -> str:
    return f"{use.owner.slug} {use.model}"


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and abs(value) < _MOST)


class _Sorted:
    """The statements of one order. `model`: as the page calls it, None for every one."""

    def __init__(self, span: Range, order: SortOrder, model: str | None) -> None:
        self._descending = order.descending
        self._parameters: list[Any] = []
        pieces = " UNION ALL ".join(self._pieces(span, model))
        self._groups = (
            f"WITH pairs AS MATERIALIZED (SELECT key_id, fingerprint, model, "  # noqa: S608 - ours
            f"{SORTED[order.column.name]} AS amount, "
            f"{_IDENTITY.format(binary=_BINARY[connection.vendor])} AS name "
            f"FROM ({pieces}) AS used GROUP BY key_id, fingerprint, model)"
        )

    def _pieces(self, span: Range, model: str | None) -> Iterator[str]:
        """Whole days from sums of days, the rest from those of hours."""
        whole = (span.start, span.end, 0)
        first, last, _ = whole_days_of(whole)
        if first < last:
            yield self._piece(KeyDay._meta.db_table, "day", (first, last), model)
        for start, until, _ in ends_of(whole):
            yield self._piece(UsageHour._meta.db_table, "hour", (start, until), model)

    def _piece(
        self, table: str, begin: str, between: tuple[datetime, datetime], model: str | None
    ) -> str:
        self._parameters += map(connection.ops.adapt_datetimefield_value, between)
        condition = f"{begin} >= %s AND {begin} < %s"
        if model is not None:
            condition += " AND model = %s"
            self._parameters.append("" if model == NO_MODEL else model)
        return f"SELECT {_READ} FROM {table} WHERE {condition}"  # noqa: S608 - ours

    def page(self, after: Cursor | None, limit: int) -> tuple[list[tuple[Any, ...]], int, int]:
        """(key_id, fingerprint, model, amount, name) of the next rows; how many there are in all,
        and how many in front of these."""
        behind, of_cursor = self._behind(after)
        way = "DESC" if self._descending else "ASC"
        with connection.cursor() as cursor:
            cursor.execute(
                f"{self._groups} SELECT key_id, fingerprint, model, amount, name, "  # noqa: S608 - ours
                f"(SELECT COUNT(*) FROM pairs), (SELECT COUNT(*) FROM pairs WHERE {behind}) "
                f"FROM pairs WHERE {behind} ORDER BY amount IS NULL, amount {way}, name {way} "
                f"LIMIT {limit:d}",
                [*self._parameters, *of_cursor, *of_cursor],
            )
            rows = cursor.fetchall()
        total, left = (rows[0][5], rows[0][6]) if rows else (0, 0)
        return (
            [(row[0], row[1], row[2], _number(row[3]), row[4]) for row in rows],
            total,
            total - left,
        )

    def _behind(self, after: Cursor | None) -> tuple[str, list[Any]]:
        """Which rows stand behind the last one of the page before. What is unknown stands last."""
        if after is None:
            return "1 = 1", []
        sign = "<" if self._descending else ">"
        if after.value is None:
            return f"amount IS NULL AND name {sign} %s", [after.identity]
        condition = f"(amount IS NULL OR amount {sign} %s OR (amount = %s AND name {sign} %s))"
        return condition, [after.value, after.value, after.identity]


def _number(amount: Any) -> int | None:
    return None if amount is None else int(amount)
