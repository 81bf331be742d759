"""`manage.py check_ledger`: whether the sums of the ledger are those of its rows, and whether the
counters of budgets in Redis agree with them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.cluster import redis
from bridge.ledger import counter_audit
from bridge.ledger.audit import audit, unreadable, waiting

SHOWN = 100


class Command(BaseCommand):
    help = "Add up all requests again, compare with the stored sums, and name every difference."

    def handle(self, *args: Any, **options: Any) -> None:
        found, spool = audit(), settings.DATA_DIR / "spool"
        self.stdout.write(
            f"{found.requests:,} requests in {found.hours:,} hours, {found.sessions:,} sessions; "
            f"{waiting(spool):,} records wait in the spool of this host"
        )
        differences = [*found.differences, *unreadable(spool), *counter_differences()]
        for difference in differences[:SHOWN]:
            self.stdout.write(difference)
        if differences:
            raise CommandError(f"{len(differences):,} differences")
        self.stdout.write("Everything adds up.")


def counter_differences() -> list[str]:
    """What Redis counts otherwise; nothing where every process counts for itself."""
    try:
        return counter_audit.differences() if settings.REDIS_URL else []
    except redis.AWAY as error:
        raise CommandError(f"Redis does not answer: {type(error).__name__}") from None
