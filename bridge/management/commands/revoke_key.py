"""`manage.py revoke_key NAME`: a key is refused from its next request on, for good."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from bridge.management import key_rows
from bridge.models import acting
from bridge.models.changes import recorded

ACTOR = acting.command("revoke_key")


class Command(BaseCommand):
    help = "Revoke keys for good; of a rotated one also the key before it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME")

    def handle(self, *args: Any, names: list[str], **options: Any) -> None:
        rows = key_rows.issued(names)
        with recorded(ACTOR):
            for row in rows:
                if row.revoked_at is None:
                    row.revoke()
        for row in rows:
            self.stdout.write(f"{row.name} is revoked")
