"""`manage.py issue_key NAME`: make a key for this gateway and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bridge.models import ApiKey
from bridge.models.changes import recorded

ACTOR = "issue_key"
LIMITS = ("owner", "rpm", "tpm", "concurrent", "budget_usd", "period")


class Command(BaseCommand):
    help = "Issue a gateway key and print it; it is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who or what the key is for; must be new")
        parser.add_argument("--owner", help="who to ask about it")
        parser.add_argument("--rpm", type=int, metavar="N", help="requests a minute, at most")
        parser.add_argument("--tpm", type=int, metavar="N", help="tokens a minute, at most")
        parser.add_argument("--concurrent", type=int, metavar="N", help="requests at once, at most")
        parser.add_argument("--budget-usd", metavar="X", help="US dollars a period, at most")
        parser.add_argument("--period", choices=("day", "month"), help="of the budget; month")
        parser.add_argument(
            "--models", nargs="+", metavar="GLOB", help="the only models that it may use"
        )

    def handle(self, *args: Any, name: str, models: list[str] | None, **options: Any) -> None:
        given = {limit: options[limit] for limit in LIMITS if options[limit] is not None}
        given["allowed"] = "\n".join(models or ())
        try:
            with recorded(ACTOR):
                _, text = ApiKey.issue(name, given)
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from None
        self.stdout.write(text)
