"""`manage.py revoke_token NAME`: a token of the admin API is refused from its next request on."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.models import AdminToken, acting
from bridge.models.changes import recorded

ACTOR = acting.command("revoke_token")


class Command(BaseCommand):
    help = "Revoke tokens of the admin API for good."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("names", nargs="+", metavar="NAME")

    def handle(self, *args: Any, names: list[str], **options: Any) -> None:
        found = {row.name: row for row in AdminToken.objects.filter(name__in=names)}
        if unknown := [name for name in names if name not in found]:
            raise CommandError(f"no token is called {', '.join(unknown)}")
        with recorded(ACTOR):
            for row in found.values():
                row.revoke()
        for name in dict.fromkeys(names):
            self.stdout.write(f"{name} is revoked")
