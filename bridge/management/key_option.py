"""The option `--key-env` of commands that call a backend: a key by the name of its variable."""

from __future__ import annotations

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import CommandError


def add_to(parser: ArgumentParser) -> None:
    """Give a command the option."""
    parser.add_argument(
        "--key-env",
        metavar="NAME",
        help="environment variable with the key to use; for backends without a stored key",
    )


def value_of(variable: str | None) -> str:
    """The key in this variable, "" where none is named. Raises CommandError."""
    if not variable:
        return ""
    key = str(settings.BACKEND_SECRET(variable))
    if not key:
        raise CommandError(f"--key-env: {variable} is not set")
    return key
