"""`manage.py usage`: what was used and what it cost, as a table, JSON or CSV."""

from __future__ import annotations

import csv
import json
import os
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from typing import Any, TypeVar

from django.core.management.base import BaseCommand, CommandError, OutputWrapper

from bridge.ledger.pricing import usd
from bridge.ledger.report import (
    COUNTS,
    DIMENSIONS,
    Line,
    Span,
    UnknownNameError,
    csv_text,
    dimensions,
    of_key,
    report,
)
from bridge.spans import end_of_day, full_hour, zone_called

T = TypeVar("T")
LEAST = 100_000
"""Less than this many billionths of a dollar are not four digits behind the point."""
NUMBERS = [name for name in COUNTS if name != "cost_nano_usd"]


class Command(BaseCommand):
    help = "Show what keys, people, teams, models, classes, sessions, days or hours used and cost."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--by",
            default="key",
            metavar="GROUP",
            help=f"{', '.join(DIMENSIONS)}, or several such as key,model; or session",
        )
        parser.add_argument(
            "--since",
            "--from",
            dest="since",
            default="7d",
            metavar="WHEN",
            help="24h, 7d, 4w, or a date such as 2026-11-01",
        )
        end = parser.add_mutually_exclusive_group()
        end.add_argument("--until", metavar="WHEN", help="an end, in the same forms, not included")
        end.add_argument("--to", metavar="DATE", help="the last day, included")
        parser.add_argument("--key", metavar="NAME", help="only what this key used")
        parser.add_argument("--timezone", default="UTC", help="in which days begin and end")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        zone = _meant("timezone", zone_called, options["timezone"])
        since = _meant("since", full_hour, options["since"], zone)
        until = options["until"] and _meant("until", full_hour, options["until"], zone)
        if options["to"]:
            until = _meant("to", end_of_day, options["to"], zone)
        by = _meant("by", dimensions, options["by"])
        whose = options["key"] and _meant("key", of_key, options["key"])
        lines = report(options["by"], Span(since, until or None), zone, whose or None)
        covered = f"Full hours from {_said(since, zone)} to {_said(until, zone)}, {zone}."
        try:
            FORMATS[options["format"]](self.stdout, by, lines, covered)
            self.stdout.flush()
        except BrokenPipeError:
            _read_enough()


def _said(moment: datetime | None, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}" if moment else "now"


def _read_enough() -> None:
    """Whoever reads has what it wants, such as `head`; what is still kept for it goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _meant(option: str, read: Callable[..., T], *given: Any) -> T:
    """Raises CommandError, which names the option."""
    try:
        return read(*given)
    except (ValueError, UnknownNameError) as error:
        raise CommandError(f"--{option}: {error}") from None


def _table(out: OutputWrapper, by: Sequence[str], lines: list[Line], covered: str) -> None:
    if not lines:
        out.write(f"Nothing was used in this time. {covered}")
        return
    counts = {name: sum(line.counts[name] for line in lines) for name in COUNTS}
    total = Line("total", counts, ("total", *("" for _ in by[1:])))
    shown = [_cells(line) for line in (*lines, total)]
    rows = [[*by, "requests", "errors", "input", "output", "cache read", "cost"], *shown]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        cells = zip(row, widths, strict=True)
        places = (c.ljust(w) if n < len(by) else c.rjust(w) for n, (c, w) in enumerate(cells))
        out.write("  ".join(places).rstrip())
    if counts["unpriced"]:
        out.write(f"{counts['unpriced']:,} requests had no known price and are not in it.")
    out.write(covered)


def _cells(line: Line) -> list[str]:
    names = ("requests", "errors", "input_tokens", "output_tokens", "cache_read_tokens")
    return [*line.names, *(f"{line.counts[name]:,}" for name in names), _money(line)]


def _money(line: Line) -> str:
    """Never nothing for something: what has no price is not free, and a little is not none."""
    if _has_no_price(line):
        return "no price"
    nano = line.counts["cost_nano_usd"]
    return "<$0.0001" if 0 < nano < LEAST else f"${line.cost_usd:,.4f}"


def _has_no_price(line: Line) -> bool:
    return not line.counts["cost_nano_usd"] and line.counts["unpriced"] > 0


def _document(by: Sequence[str], line: Line) -> dict[str, Any]:
    """The members that matter most first, whatever the group."""
    numbers = {name: line.counts[name] for name in NUMBERS}
    return {
        **dict(zip(by, line.names, strict=True)),
        **numbers,
        "cost_usd": line.cost_usd,
    }


def _json(out: OutputWrapper, by: Sequence[str], lines: list[Line], covered: str) -> None:
    out.write(json.dumps([_document(by, line) for line in lines], indent=2))


def _csv(out: OutputWrapper, by: Sequence[str], lines: list[Line], covered: str) -> None:
    writer = csv.DictWriter(out, [*by, *NUMBERS, "cost_usd"], lineterminator="\n")
    writer.writeheader()
    for line in lines:
        names = dict(zip(by, map(csv_text, line.names), strict=True))
        cost = "" if _has_no_price(line) else f"{usd(line.counts['cost_nano_usd']):f}"
        writer.writerow({**_document(by, line), **names, "cost_usd": cost})


FORMATS: dict[str, Callable[[OutputWrapper, Sequence[str], list[Line], str], None]] = {
    "table": _table,
    "json": _json,
    "csv": _csv,
}
