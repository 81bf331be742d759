"""`manage.py issue_key NAME`: make a key for this gateway and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bridge.configuration import unpriced
from bridge.management import key_rows
from bridge.management.moments import moment
from bridge.models import ApiKey, acting
from bridge.models.changes import recorded
from bridge.models.people.keys import Period
from bridge.models.people.limit_columns import UnpricedPolicy

ACTOR = acting.command("issue_key")
LIMITS = (
    "owner",
    "rpm",
    "tpm",
    "concurrent",
    "budget_usd",
    "period",
    "unpriced",
    "tokens_day",
    "tokens_week",
    "tokens_month",
)


class Command(BaseCommand):
    help = "Issue a gateway key and print it; it is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who or what the key is for; must be new")
        parser.add_argument("--owner", help="who to ask about it")
        parser.add_argument("--person", metavar="USERNAME", help="whose key it is")
        parser.add_argument("--team", metavar="NAME", help="the team whose limits it shares")
        parser.add_argument(
            "--expires", metavar="WHEN", help="2027-01-31, or with a time; UTC unless it says else"
        )
        parser.add_argument("--rpm", type=int, metavar="N", help="requests a minute, at most")
        parser.add_argument("--tpm", type=int, metavar="N", help="tokens a minute, at most")
        parser.add_argument("--concurrent", type=int, metavar="N", help="requests at once, at most")
        parser.add_argument("--budget-usd", metavar="X", help="US dollars a period, at most")
        parser.add_argument(
            "--period", choices=Period.values, help="of the budget; month. total is prepaid"
        )
        parser.add_argument(
            "--unpriced",
            choices=[value for value in UnpricedPolicy.values if value],
            help="what a budget means for a model without a price; as BUDGET_UNPRICED_MODELS says",
        )
        for period in ("day", "week", "month"):
            parser.add_argument(
                f"--tokens-{period}", type=int, metavar="N", help=f"tokens a {period}, at most"
            )
        parser.add_argument(
            "--models",
            nargs="+",
            metavar="GLOB",
            help="the only models that it may use, with spaces or commas between them",
        )

    def handle(
        self,
        *args: Any,
        name: str,
        models: list[str] | None = None,
        expires: str | None = None,
        **options: Any,
    ) -> None:
        given = {limit: options[limit] for limit in LIMITS if options[limit] is not None}
        given |= key_rows.holders(options)
        given["allowed"] = "\n".join(",".join(models or ()).split(","))
        if expires is not None:
            given["expires_at"] = moment(expires)
        try:
            with recorded(ACTOR):
                row, text = ApiKey.issue(name, given)
        except ValidationError as error:
            raise CommandError("\n".join(error.messages)) from None
        if found := unpriced.of_row(row):
            self.stderr.write(found.text)
        self.stdout.write(text)
