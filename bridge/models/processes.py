"""Which processes serve with this database."""

from __future__ import annotations

from django.db import models


class GatewayProcess(models.Model):
    """One process that serves, as it reported itself last."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=80)
    pid = models.PositiveBigIntegerField()
    seen_at = models.DateTimeField()
    problem = models.CharField(
        max_length=300, blank=True, default="", help_text="With the limits of keys."
    )

    class Meta:
        indexes = [models.Index(fields=["seen_at"], name="process_by_time")]

    def __str__(self) -> str:
        return self.name
