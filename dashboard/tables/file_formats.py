"""The rows of a table as the text of a file, in pieces: CSV for spreadsheets, JSON for programs.

Both hold the same values. CSV is written so that a spreadsheet shows what it holds: numbers without
exponents, in UTF-8 that says so, texts that are never run as formulas or read as numbers. Its first
line names the unit of money and the time zone; in JSON times carry their offset.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from bridge.ledger.report import csv_text
from dashboard.display import cells
from dashboard.tables.table import Column, Table

BYTE_ORDER_MARK = "\ufeff"
"""Without it Excel takes UTF-8 for the code page of its machine."""
Pieces = Iterable[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """`text`: table, its rows in pieces -> the file in pieces, none of them empty."""

    ending: str
    content_type: str
    text: Callable[[Table[Any], Pieces], Iterator[str]]


def _csv(table: Table[Any], pieces: Pieces) -> Iterator[str]:
    columns = _exported(table)
    yield BYTE_ORDER_MARK + _lines([[_titled(table, column) for column in columns]])
    readers = [_reader(table, column) for column in columns]
    for rows in pieces:
        if rows:
            yield _lines([_spread(read(row)) for read in readers] for row in rows)


def _lines(rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _json(table: Table[Any], pieces: Pieces) -> Iterator[str]:
    """A list with one row on each line."""
    readers = [(_header(column), _reader(table, column)) for column in _exported(table)]
    before = "[\n"
    for rows in pieces:
        if rows:
            documents = ({name: read(row) for name, read in readers} for row in rows)
            yield before + ",\n".join(json.dumps(d, ensure_ascii=False) for d in documents)
            before = ",\n"
    yield "\n]\n" if before == ",\n" else "[]\n"


FORMATS: Mapping[str, FileFormat] = {
    "csv": FileFormat("csv", "text/csv; charset=utf-8", _csv),
    "json": FileFormat("json", "application/json; charset=utf-8", _json),
}


def _exported(table: Table[Any]) -> list[Column]:
    return [column for column in table.columns if column.exports]


def _header(column: Column) -> str:
    return f"{column.name}{cells.UNITS.get(column.kind, '')}"


def _titled(table: Table[Any], column: Column) -> str:
    """A CSV column's name, of times with the zone."""
    zone = f" ({table.frame.zone})" if column.kind == "time" else ""
    return f"{_header(column)}{zone}"


def _reader(table: Table[Any], column: Column) -> Callable[[Any], Any]:
    """Row -> what a file has in this column, None where it is not known."""
    read, write = column.of, cells.PLAIN.get(column.kind)
    if write is None:
        return read
    zone = table.frame.zone

    def plain(row: Any) -> Any:
        value = read(row)
        return None if value is None else write(value, zone)

    return plain


def _spread(value: Any) -> Any:
    """A value as a spreadsheet takes it."""
    if isinstance(value, str):
        return csv_text(value)
    if isinstance(value, float):
        return format(Decimal(str(value)), "f")
    if isinstance(value, dict):
        value = ";".join(f"{name}={each}" for name, each in value.items())
        return csv_text(value)
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return value
