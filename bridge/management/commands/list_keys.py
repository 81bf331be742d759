"""`manage.py list_keys`: the issued keys, whose they are and whether they are good."""

from __future__ import annotations

import csv
import json
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, OutputWrapper
from django.db.models import OuterRef, Subquery

from bridge.configuration import callers
from bridge.configuration.callers import Callers
from bridge.configuration.row_faults import RowReader
from bridge.keys.authentication import IssuedKey
from bridge.ledger.report import csv_text
from bridge.management import key_rows
from bridge.models import ApiKey, KeyUse
from bridge.models.people.keys import KeyKind

COLUMNS = ("name", "key", "state", "person", "team", "owner", "expires", "last_used")


class Command(BaseCommand):
    help = "List the issued keys; no key itself is stored, its last four characters tell it apart."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--person", metavar="USERNAME", help="only keys of this person")
        parser.add_argument("--team", metavar="NAME", help="only keys of this team")
        parser.add_argument("--format", choices=FORMATS, default="table")

    def handle(self, *args: Any, **options: Any) -> None:
        uses = KeyUse.objects.filter(key_id=OuterRef("pk")).order_by("-last_at").values("last_at")
        rows = ApiKey.objects.filter(kind=KeyKind.ISSUED, **key_rows.holders(options))
        known = callers.read(Callers(), RowReader()).keys
        listed = rows.select_related("person", "team").annotate(used_at=Subquery(uses[:1]))
        lines = [_document(row, known.get(row.digest)) for row in listed]
        FORMATS[options["format"]](self.stdout, lines)


def _document(row: Any, known: IssuedKey | None) -> dict[str, str]:
    return {
        "name": row.name,
        "key": f"…{row.last_four}",
        "state": _state(row, known),
        "person": row.person_name,
        "team": row.team_name,
        "owner": row.owner,
        "expires": _moment(row.expires_at),
        "last_used": _moment(row.used_at),
    }


def _state(row: ApiKey, known: IssuedKey | None) -> str:
    """What its row says; "refused" where its person or its team is out, or the row is broken."""
    is_good = known is not None and not known.why_not(time.time())
    return "refused" if row.state == "good" and not is_good else row.state


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M}" if at else ""


def _table(out: OutputWrapper, lines: list[dict[str, str]]) -> None:
    if not lines:
        out.write("No key.")
        return
    rows = [[name.replace("_", " ") for name in COLUMNS], *([*line.values()] for line in lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        out.write("  ".join(cells).rstrip())


def _json(out: OutputWrapper, lines: list[dict[str, str]]) -> None:
    out.write(json.dumps(lines, indent=2, ensure_ascii=False))


def _csv(out: OutputWrapper, lines: list[dict[str, str]]) -> None:
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({name: csv_text(value) for name, value in line.items()})


FORMATS: dict[str, Callable[[OutputWrapper, list[dict[str, str]]], None]] = {
    "table": _table,
    "json": _json,
    "csv": _csv,
}
