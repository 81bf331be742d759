"""`manage.py issue_key NAME`: make a key for this gateway and print it, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from bridge.models import ApiKey


class Command(BaseCommand):
    help = "Issue a gateway key and print it; it is not stored and cannot be shown again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name", help="who or what the key is for; must be new")

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            _, text = ApiKey.issue(name)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        self.stdout.write(text)
