"""A table as a file: CSV or JSON with the rows, columns and order of the page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse

from bridge.ledger.report import csv_text
from dashboard.display import cells
from dashboard.tables.table import Column, Table


def answer(*tables: Table[Any]) -> HttpResponse | None:
    """The file that the address asks for; None where it asks for the page."""
    asked = tables[0].frame.asked
    make = _FORMATS.get(asked.get("format", ""))
    table = next((t for t in tables if t.prefix == asked.get("table", "")), None)
    if make is None or table is None:
        return None
    rows = table.all_rows if asked.get("rows") == "all" else table.page.rows
    return make(table, [column for column in table.columns if column.exports], rows)


def _csv(table: Table[Any], columns: Sequence[Column], rows: Sequence[Any]) -> HttpResponse:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(_header(column) for column in columns)
    for row in rows:
        writer.writerow(_safe(_value(table, column, row)) for column in columns)
    return _file(table, text.getvalue(), "text/csv; charset=utf-8", "csv")


def _json(table: Table[Any], columns: Sequence[Column], rows: Sequence[Any]) -> HttpResponse:
    documents = [{_header(c): _value(table, c, row) for c in columns} for row in rows]
    text = json.dumps(documents, ensure_ascii=False, indent=1)
    return _file(table, text, "application/json; charset=utf-8", "json")


_FORMATS = {"csv": _csv, "json": _json}


def _header(column: Column) -> str:
    return f"{column.name}{cells.UNITS.get(column.kind, '')}"


def _value(table: Table[Any], column: Column, row: Any) -> Any:
    return cells.plain(column.kind, column.of(row), table.frame.zone)


def _safe(value: Any) -> Any:
    if isinstance(value, dict):
        value = ";".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(str(item) for item in value)
    return csv_text(value) if isinstance(value, str) else value


def _file(table: Table[Any], text: str, content_type: str, ending: str) -> HttpResponse:
    frame = table.frame
    first, last = (frame.range.local(at) for at in (frame.range.start, frame.range.end))
    name = f"{table.title.lower().replace(' ', '-')}-{first:%Y%m%d%H}-{last:%Y%m%d%H}.{ending}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type=content_type, headers=disposition)
