"""`manage.py reseal`: encrypt what is stored sealed again, under the SECRET_KEY of now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from bridge.keys import encryption
from bridge.models import Backend, WarningRule, acting
from bridge.models.changes import recorded
from bridge.models.warnings.rules import OWNER, SEALED_COLUMNS


class Command(BaseCommand):
    help = "Encrypt stored keys under SECRET_KEY; afterwards SECRET_KEY_FALLBACKS may go."

    def handle(self, *args: Any, **options: Any) -> None:
        rows: list[Backend | WarningRule] = [
            *Backend.objects.filter(credential__startswith=encryption.PREFIX),
            *(row for row in WarningRule.objects.all() if _sealed_columns(row)),
        ]
        with recorded(acting.command("reseal")):
            lost = [row.name for row in rows if not _reseal(row)]
        self.stdout.write(f"{len(rows) - len(lost)} of {len(rows)} stored keys are sealed anew.")
        if lost:
            raise CommandError(
                f"Sealed under a SECRET_KEY that is not known here: {', '.join(lost)}. "
                "Add that one to SECRET_KEY_FALLBACKS, or enter these keys again."
            )


def _sealed_columns(row: WarningRule) -> list[str]:
    return [name for name in SEALED_COLUMNS if getattr(row, name).startswith(encryption.PREFIX)]


def _reseal(row: Backend | WarningRule) -> bool:
    """False for a row that nothing here can read; it stays as it is."""
    try:
        if isinstance(row, Backend):
            row.credential = _read(row)
        else:
            for name in _sealed_columns(row):
                setattr(row, name, encryption.unseal(getattr(row, name), OWNER))
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
