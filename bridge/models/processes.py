"""Which processes serve with this database."""

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

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="process_by_time")]

    def __str__(self) -> str:
        return self.name
