"""`manage.py import_config FILE`: make the configuration what a YAML file says, live.

Running servers follow within a second. A second import of the same file changes nothing.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.configuration import yaml_file
from bridge.models import Change, acting

ACTOR = acting.command("import_config")
STDIN = "-"
_SIGNS = {"added": "+", "deleted": "-", "changed": "~"}


class Command(BaseCommand):
    help = "Read a YAML file as export_config writes it; all of it or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="a path, or - for standard input")
        parser.add_argument(
            "--dry-run", action="store_true", help="show the difference, change nothing"
        )
        parser.add_argument(
            "--prune",
            action="store_true",
            help="also delete what the file does not have, in the sections that it has",
        )

    def handle(self, *args: Any, file: str, dry_run: bool, prune: bool, **options: Any) -> None:
        try:
            content = yaml_file.read(_text(file))
            changes = yaml_file.apply(content, ACTOR, prune=prune, dry_run=dry_run)
        except yaml_file.ConfigFileError as error:
            raise CommandError(str(error)) from None
        for change in changes:
            self.stdout.write("\n".join(_lines(change)))
        done = "would change" if dry_run else "changed"
        self.stdout.write(f"{len(content.entries)} entries read, {len(changes)} rows {done}")


def _text(file: str) -> str:
    try:
        return sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file}: {error}") from None


def _lines(change: Change) -> list[str]:
    lines = [f"{_SIGNS[change.verb]} {change.kind} {change.label}"]
    if change.verb == "changed":
        lines += [f"    {name}: {before} -> {after}" for name, before, after in change.shown()]
    return lines
