"""Sums that are kept beside those of `UsageHour`, each for the questions that pages ask of it.

Every request is in all of these tables. `UsageHour` tells everything apart, so it has as many rows
as there are keys at work; these have few rows for each hour or day (of UTC), however many keys
there are, or few for each key. They follow from `UsageHour`, are written with it in one
transaction, and are compared with it by `check_ledger`.
"""

from __future__ import annotations

from django.db import models

from bridge.models import latency
from bridge.models.usage import Attributed, SumColumns


class TotalHour(SumColumns):
    """Everything that was asked in one hour, with the histograms of `UsageHour`."""

    UNIQUE = ("hour",)

    hour = models.DateTimeField(unique=True)

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}"


class ModelHour(SumColumns):
    """The sums of one hour for each backend and model, with the histograms."""

    UNIQUE = ("hour", "backend", "model")

    hour = models.DateTimeField()
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["hour", "backend", "model"], name="one_row_per_model_and_hour"
            )
        ]
        indexes = [models.Index(fields=["model", "hour"], name="model_hour_by_model")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.model}"


class TeamHour(SumColumns):
    """The sums of one hour for each team, 0 for none. Without histograms."""

    UNIQUE = ("hour", "team_id")

    hour = models.DateTimeField()
    team_id = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "team_id"], name="one_row_per_team_and_hour")
        ]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M} {self.team_id}"


class ModelDay(SumColumns):
    """The sums of one day of UTC for each backend, model and class, with the histograms.

    last_hour   the last one in which there was a request
    """

    UNIQUE = ("day", "backend", "model", "request_class")

    day = models.DateTimeField()
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="")
    request_class = models.CharField(max_length=40, blank=True, default="")
    last_hour = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["day", "backend", "model", "request_class"],
                name="one_row_per_model_class_and_day",
            )
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.model} {self.request_class}"


class KeyDay(Attributed, SumColumns):
    """The sums of one day of UTC for each key with its person and team, backend and model.

    Without histograms, which nobody asks for of a key. Names are the last ones of that day.
    """

    UNIQUE = ("day", "key_id", "fingerprint", "backend", "model", "person_id", "team_id")

    day = models.DateTimeField()
    backend = models.CharField(max_length=50, blank=True, default="")
    model = models.CharField(max_length=300, blank=True, default="")
    last_hour = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=[
                    "day",
                    "key_id",
                    "fingerprint",
                    "backend",
                    "model",
                    "person_id",
                    "team_id",
                ],
                name="one_row_per_key_model_and_day",
            )
        ]
        indexes = [
            models.Index(fields=["key_id", "fingerprint", "day"], name="key_day_by_key"),
            models.Index(fields=["model", "day"], name="key_day_by_model"),
            models.Index(
                fields=["person_id", "day"],
                condition=models.Q(person_id__gt=0),
                name="key_day_by_person",
            ),
            models.Index(
                fields=["team_id", "day"],
                condition=models.Q(team_id__gt=0),
                name="key_day_by_team",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.key} {self.model}"


WITH_HISTOGRAMS: tuple[type[TotalHour | ModelHour | ModelDay], ...] = (
    TotalHour,
    ModelHour,
    ModelDay,
)
for _table in WITH_HISTOGRAMS:
    for _name in (*latency.FIRST_TOKEN, *latency.DURATION):
        _table.add_to_class(_name, models.IntegerField(default=0))
