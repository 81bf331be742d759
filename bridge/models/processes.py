"""Which processes serve with this database, and which of them has work that only one does."""

from __future__ import annotations

from datetime import timedelta

from django.db import models

ALIVE = timedelta(seconds=35)
"""Since a row was renewed."""


class GatewayProcess(models.Model):
    """One process that serves, as it reported itself last."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=80)
    pid = models.PositiveBigIntegerField()
    seen_at = models.DateTimeField()
    problem = models.CharField(
        max_length=300, blank=True, default="", help_text="With the limits of keys."
    )

    troubles = models.TextField(
        blank=True,
        default="",
        help_text="Background work that fails and files that cannot be read, one sentence a line.",
    )

    waiting = models.PositiveBigIntegerField(
        default=0, help_text="Its usage records that are no rows yet."
    )
    lag_seconds = models.FloatField(default=0.0, help_text="How far the rows are behind.")
    disk_percent = models.FloatField(default=0.0, help_text="Used of the disk of DATA_DIR.")

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="process_by_time")]

    def __str__(self) -> str:
        return self.name


class Lease(models.Model):
    """Who does some work for all processes. The number grows with each renewal.

    No moment stands here, so that clocks of hosts may differ: whoever sees the same number for too
    long takes the lease.
    """

    name = models.CharField(max_length=40, unique=True)
    holder = models.CharField(max_length=120, blank=True, default="")
    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.holder or 'nobody'}"
