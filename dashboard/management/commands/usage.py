"""`manage.py usage`: what was used and what it cost, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import re
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from bridge.ledger.report import BY, COUNTS, Line, UnknownKeyError, csv_text, report

SPANS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
NUMBERS = [name for name in COUNTS if name != "cost_nano_usd"]


class Command(BaseCommand):
    help = "Show what keys, people, teams, models, classes, sessions or days used and cost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", choices=BY, default="key")
        parser.add_argument(
            "--since",
            default="7d",
            metavar="WHEN",
            help="24h, 7d, 4w, or a date such as 2026-11-01",
        )
        parser.add_argument("--key", metavar="NAME", help="only what this key used")
        parser.add_argument("--timezone", default="UTC", help="in which days begin and end")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        zone = _zone(options["timezone"])
        since = _since(options["since"], zone)
        try:
            lines = report(options["by"], since, zone, options["key"])
        except UnknownKeyError as unknown:
            raise CommandError(f"--key: no key is or was called {unknown}") from None
        FORMATS[options["format"]](self.stdout, options["by"], lines)


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise CommandError(f"--timezone: {name} is not known; try Europe/Berlin") from None


def _since(text: str, zone: tzinfo) -> datetime:
    """The full hour that this means: so long ago, or the moment itself."""
    span = re.fullmatch(r"(\d{1,5})([hdw])", text)
    try:
        if span:
            when = datetime.now(UTC) - int(span[1]) * SPANS[span[2]]
        else:
            when = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("--since: expected 24h, 7d, 4w, or a date such as 2026-11-01") from None
    when = when if when.tzinfo else when.replace(tzinfo=zone)
    return when.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _table(out: OutputWrapper, by: str, lines: list[Line]) -> None:
    if not lines:
        out.write("Nothing was used in this time.")
        return
    total = Line("total", {name: sum(line.counts[name] for line in lines) for name in COUNTS})
    shown = [_cells(line) for line in (*lines, total)]
    rows = [[by, "requests", "errors", "input", "output", "cache read", "cost"], *shown]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        out.write("  ".join([row[0].ljust(widths[0]), *numbers]).rstrip())
    if total.counts["unpriced"]:
        out.write(f"{total.counts['unpriced']:,} requests had no known price and are not in it.")


def _cells(line: Line) -> list[str]:
    names = ("requests", "errors", "input_tokens", "output_tokens", "cache_read_tokens")
    return [line.group, *(f"{line.counts[name]:,}" for name in names), f"${line.cost_usd:,.4f}"]


def _document(by: str, line: Line) -> dict[str, Any]:
    """The members that matter most first, whatever the group."""
    numbers = {name: line.counts[name] for name in NUMBERS}
    return {by: line.group, **numbers, "cost_usd": line.cost_usd}


def _json(out: OutputWrapper, by: str, lines: list[Line]) -> None:
    out.write(json.dumps([_document(by, line) for line in lines], indent=2))


def _csv(out: OutputWrapper, by: str, lines: list[Line]) -> None:
    writer = csv.DictWriter(out, [by, *NUMBERS, "cost_usd"], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        row = {**_document(by, line), by: csv_text(line.group), "cost_usd": f"{line.cost_usd:.9f}"}
        writer.writerow(row)


FORMATS: dict[str, Callable[[OutputWrapper, str, list[Line]], None]] = {
    "table": _table,
    "json": _json,
    "csv": _csv,
}
