"""`manage.py rotate_key NAME`: a new key in place of one, printed once."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.management import key_rows
from bridge.models import acting
from bridge.models.changes import recorded

ACTOR = acting.command("rotate_key")
MOST_HOURS = 24 * 90


class Command(BaseCommand):
    help = "Make a new key for a name and print it; the old one stays good for a while."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument(
            "--overlap",
            type=int,
            default=24,
            metavar="HOURS",
            help="how long the old key stays good; 0 for one that leaked; 24",
        )

    def handle(self, *args: Any, name: str, overlap: int, **options: Any) -> None:
        if not 0 <= overlap <= MOST_HOURS:
            raise CommandError(f"--overlap: expected hours from 0 to {MOST_HOURS}")
        (row,) = key_rows.issued([name])
        with recorded(ACTOR):
            text = row.rotate(timedelta(hours=overlap))
        self.stdout.write(text)
