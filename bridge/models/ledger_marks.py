"""What the ledger notes of itself: how far it has read, what it has erased, what it lost."""

from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.utils import timezone

COSTS = "costs"
"""The kind of entries of the history that say that recorded requests got another cost."""


class SpoolPosition(models.Model):
    """Up to where a spool file's lines are rows. Written in one transaction with the rows."""

    name = models.CharField(max_length=100, unique=True)
    position = models.BigIntegerField(default=0, help_text="Bytes from its start.")

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"


class UsageHorizon(models.Model):
    """One row: from this hour on every request still has its own row."""

    complete_from = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.complete_from:%Y-%m-%d %H:%M}"


class LostRecords(models.Model):
    """How many records of an hour neither disk nor memory took: requests that no sum has."""

    hour = models.DateTimeField(unique=True, help_text="In which the loss was noticed.")
    count = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}: {self.count}"


LATE = timedelta(hours=1)
"""What is added to an hour when this long has passed since its end, comes late."""


class LateHours(models.Model):
    """One row: how often something came late. Written in one transaction with the sums.

    Whoever keeps a sum of hours that are over reads this before them, and adds them up anew when
    it has changed.
    """

    changes = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.changes)
