"""The hourly sums of attempts, by the backend that was called and its model.

`UsageHour` counts requests, at the backend that was called last. A backend that fails every time
while another one answers shows here alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import F, Sum

from bridge.attempts import FAILURES, KINDS, REFUSED
from bridge.models import latency

ATTEMPT_KEY = ("hour", "backend", "model")
"""What tells one row of hourly sums from another."""


class AttemptHour(models.Model):
    """The attempts of the requests that arrived in one hour (UTC).

    asked       all of them; each is in one of the columns named as the kinds of attempts, too
    fell_back   another target was asked next
    headers_ms, first_token_ms, took_ms   since the attempt began, summed over those that answered,
                with the histograms `headers_00`, `first_token_00`, `duration_00` and following
    """

    UNIQUE = ATTEMPT_KEY
    SUMS: ClassVar[tuple[str, ...]] = (
        "asked",
        *KINDS,
        "fell_back",
        "headers_ms",
        "first_token_ms",
        "took_ms",
    )
    HEADERS = latency.HEADERS
    FIRST_TOKEN = latency.FIRST_TOKEN
    DURATION = latency.DURATION
    COUNTED: ClassVar[tuple[str, ...]] = (*SUMS, *HEADERS, *FIRST_TOKEN, *DURATION)

    hour = models.DateTimeField()
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=ATTEMPT_KEY, name="one_row_per_hour_backend_and_model")
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.backend} {self.model}"


for _name in AttemptHour.SUMS:
    AttemptHour.add_to_class(_name, models.BigIntegerField(default=0))
for _name in (*latency.HEADERS, *latency.FIRST_TOKEN, *latency.DURATION):
    AttemptHour.add_to_class(_name, models.IntegerField(default=0))


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """How many attempts at one backend there were, and how many of them came to what."""

    asked: int = 0
    failed: int = 0
    refused: int = 0

    @property
    def failed_share(self) -> float:
        """From 0 to 1."""
        return self.failed / self.asked if self.asked else 0.0

    @property
    def failed_percent(self) -> float:
        return 100 * self.failed_share


def attempts_since(hour: datetime) -> dict[str, AttemptCounts]:
    """The attempts at each backend from that hour on. One query."""
    failed = sum((F(kind) for kind in FAILURES[1:]), F(FAILURES[0]))
    rows = AttemptHour.objects.filter(hour__gte=hour).order_by().values_list("backend")
    return {
        backend: AttemptCounts(*counts)
        for backend, *counts in rows.annotate(
            _asked=Sum("asked"), _failed=Sum(failed), _refused=Sum(REFUSED)
        )
    }
