"""`manage.py import_people FILE`: users and their teams from CSV, all or nothing."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from bridge.accounts import people_file
from bridge.accounts.people_file import PeopleFileError
from bridge.models import acting
from bridge.models.changes import recorded

ACTOR = acting.command("import_people")
LARGEST = 10 * 1024 * 1024


class Command(BaseCommand):
    help = (
        "Make users of a CSV file with the columns username, email and team. New ones have no "
        "password; users that exist only join the team. Who is in several teams has several lines."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="UTF-8; - reads standard input")
        parser.add_argument(
            "--dry-run", action="store_true", help="only say what would be done, and what is wrong"
        )

    def handle(self, *args: Any, file: str, dry_run: bool = False, **options: Any) -> None:
        try:
            lines = people_file.read(_text(file))
            with transaction.atomic():
                with recorded(ACTOR):
                    made = people_file.apply(lines)
                if dry_run:
                    transaction.set_rollback(True)
        except PeopleFileError as error:
            raise CommandError("\n".join(error.problems)) from None
        would = "would be " if dry_run else ""
        self.stdout.write(
            f"{made.users} users {would}made, {made.memberships} memberships {would}added"
        )


def _text(file: str) -> str:
    """Raises CommandError."""
    try:
        raw = sys.stdin.buffer.read(LARGEST + 1) if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    if len(raw) > LARGEST:
        raise CommandError(f"{file}: larger than {LARGEST // 1024**2} MB")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise CommandError(f"{file}: it is not UTF-8; save it as CSV UTF-8") from None
