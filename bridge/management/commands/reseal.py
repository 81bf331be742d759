"""`manage.py reseal`: encrypt the stored keys of backends again, under the SECRET_KEY of now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.keys import encryption
from bridge.models import Backend
from bridge.models.changes import recorded


class Command(BaseCommand):
    help = "Encrypt stored keys under SECRET_KEY; afterwards SECRET_KEY_FALLBACKS may go."

    def handle(self, *args: Any, **options: Any) -> None:
        rows = list(Backend.objects.filter(credential__startswith=encryption.PREFIX))
        with recorded("reseal"):
            lost = [row.name for row in rows if not _reseal(row)]
        self.stdout.write(f"{len(rows) - len(lost)} of {len(rows)} stored keys are sealed anew.")
        if lost:
            raise CommandError(
                f"Sealed under a SECRET_KEY that is not known here: {', '.join(lost)}. "
                "Add that one to SECRET_KEY_FALLBACKS, or enter these keys again."
            )


def _reseal(row: Backend) -> bool:
    """False for a row that nothing here can read; it stays as it is."""
    try:
        row.credential = _read(row)
    except encryption.UnsealError:
        return False
    row.save()
    return True


def _read(row: Backend) -> str:
    """The key of a row, also as versions before this one sealed it: for no server in particular."""
    try:
        return encryption.unseal(row.credential, row.server)
    except encryption.UnsealError:
        return encryption.unseal_without_owner(row.credential)
