"""`manage.py issue_token NAME --role ROLE`: make a token of the admin API and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bridge.management.moments import moment
from bridge.models import AdminToken, acting
from bridge.models.changes import recorded
from bridge.models.people.admin_tokens import TokenRole

ACTOR = acting.command("issue_token")


class Command(BaseCommand):
    help = "Issue a token of the admin API and print it; it cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="what the history calls its user; must be new")
        parser.add_argument("--role", choices=TokenRole.values, required=True)
        parser.add_argument(
            "--expires", metavar="WHEN", help="2027-01-31, or with a time; UTC unless it says else"
        )

    def handle(
        self, *args: Any, name: str, role: str, expires: str | None = None, **options: Any
    ) -> None:
        until = None if expires is None else moment(expires)
        try:
            with recorded(ACTOR):
                _, text = AdminToken.issue(name, role, ACTOR, until)
        except ValidationError as error:
            problems = (f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items())
            raise CommandError("\n".join(problems)) from None
        self.stdout.write(text)
