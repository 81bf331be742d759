"""`manage.py usage`: what was used and what it cost, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from bridge.ledger.report import (
    BY,
    COUNTS,
    Line,
    Span,
    UnknownNameError,
    csv_text,
    of_key,
    report,
)
from bridge.spans import full_hour, zone_called

T = TypeVar("T")
NUMBERS = [name for name in COUNTS if name != "cost_nano_usd"]


class Command(BaseCommand):
    help = "Show what keys, people, teams, models, classes, sessions, days or hours used and cost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--by", choices=BY, default="key")
        parser.add_argument(
            "--since",
            default="7d",
            metavar="WHEN",
            help="24h, 7d, 4w, or a date such as 2026-11-01",
        )
        parser.add_argument("--until", metavar="WHEN", help="an end, in the same forms")
        parser.add_argument("--key", metavar="NAME", help="only what this key used")
        parser.add_argument("--timezone", default="UTC", help="in which days begin and end")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        zone = _meant("timezone", zone_called, options["timezone"])
        since = _meant("since", full_hour, options["since"], zone)
        until = options["until"] and _meant("until", full_hour, options["until"], zone)
        whose = options["key"] and _meant("key", of_key, options["key"])
        lines = report(options["by"], Span(since, until or None), zone, whose or None)
        FORMATS[options["format"]](self.stdout, options["by"], lines)


def _meant(option: str, read: Callable[..., T], *given: Any) -> T:
    """Raises CommandError, which names the option."""
    try:
        return read(*given)
    except (ValueError, UnknownNameError) as error:
        raise CommandError(f"--{option}: {error}") from None


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
