"""Habits of backends that their own answers taught, one row each."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from bridge.models.backends import Backend
from bridge.models.base import ConfigRow
from bridge.translation import facts as habits
from bridge.translation.facts import Fact

LONGEST_SENTENCE = 500


def names() -> list[tuple[str, str]]:
    return list(habits.NAMES.items())


class LearnedFact(ConfigRow):
    """One habit of a backend, or of one of its models.

    Every process applies it from the next request on. Once a day a request goes without it: a
    fact that is not true any more is deleted.
    """

    backend = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="learned")
    model = models.CharField(
        max_length=300, blank=True, default="", help_text="Empty: all models of the backend."
    )
    what = models.CharField(max_length=40, choices=names)
    value = models.CharField(max_length=200, blank=True, default="")
    sentence = models.CharField(
        max_length=LONGEST_SENTENCE, blank=True, default="", help_text="What taught it."
    )
    since = models.DateTimeField(default=timezone.now, editable=False)
    checked_at = models.DateTimeField(default=timezone.now, editable=False)
    helped = models.PositiveBigIntegerField(
        default=0, editable=False, help_text="Answered requests that respected it."
    )

    counters = models.Manager["LearnedFact"]()
    """For what changes all the time and is not configuration: no process reloads for it."""

    class Meta:
        ordering = ["backend__name", "model", "what", "value"]
        constraints = [
            models.UniqueConstraint(
                fields=["backend", "model", "what", "value"], name="one_row_per_learned_fact"
            )
        ]

    def __str__(self) -> str:
        place = f"{self.backend.name} {self.model}".rstrip()
        return f"{place}: {habits.NAMES.get(self.what, self.what)} {self.value}".rstrip()

    @property
    def fact(self) -> Fact:
        return Fact(self.what, self.value)

    def clean(self) -> None:
        if self.what == habits.MAX_OUTPUT and not self.value.isdecimal():
            raise ValidationError({"value": "A number of tokens."})
