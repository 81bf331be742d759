"""What happened that rules warn of, and what became of each warning: the outbox.

An event is made once, however many processes notice it: the database takes one row for each
subject, threshold and period, and one that is open. Its deliveries are made in the same
transaction.
"""

from __future__ import annotations

import secrets

from django.db import models
from django.utils import timezone

from bridge.models.warnings.rules import WarningRule


def new_event_id() -> str:
    return f"evt_{secrets.token_hex(12)}"


class WarningEvent(models.Model):
    """Something that happened. Its `event_id` is that of all its deliveries.

    type       such as budget.reached
    subject    what it is about, by a name that does not change: the number of a row, mostly
    period     in which it happens at most once: a day, a month; else the moment since when
    numbers    for programs
    is_open    a state that lasts; `ended_at` when it was over
    """

    event_id = models.CharField(max_length=40, unique=True, default=new_event_id)
    what = models.CharField(max_length=20)
    type = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=20)
    subject = models.CharField(max_length=300)
    subject_name = models.CharField("about", max_length=300, blank=True, default="")
    threshold = models.PositiveIntegerField(default=0)
    period = models.CharField(max_length=120)
    at = models.DateTimeField("happened at", default=timezone.now)
    text = models.CharField("what happened", max_length=600)
    numbers = models.JSONField(default=dict)
    is_open = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "warning"
        constraints = [
            models.UniqueConstraint(
                fields=["type", "subject_kind", "subject", "threshold", "period"],
                name="one_warning_per_period",
            ),
            models.UniqueConstraint(
                fields=["type", "subject_kind", "subject", "threshold"],
                condition=models.Q(is_open=True),
                name="one_open_warning",
            ),
        ]
        indexes = [models.Index(fields=["at"], name="warning_by_time")]

    def __str__(self) -> str:
        return self.text


class DeliveryOutcome(models.TextChoices):
    WAITING = "waiting", "waiting"
    DELIVERED = "delivered", "delivered"
    GIVEN_UP = "given_up", "given up"


class WarningDelivery(models.Model):
    """One event on its way to the destination of one rule."""

    event = models.ForeignKey(WarningEvent, on_delete=models.CASCADE, related_name="deliveries")
    rule = models.ForeignKey(WarningRule, on_delete=models.CASCADE, related_name="deliveries")
    outcome = models.CharField(
        max_length=10, choices=DeliveryOutcome, default=DeliveryOutcome.WAITING
    )
    tries = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField(default=timezone.now)
    last_error = models.CharField(max_length=200, blank=True, default="")
    done_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "rule"], name="one_delivery_per_rule")
        ]
        indexes = [
            models.Index(
                fields=["rule", "id"],
                condition=models.Q(outcome="waiting"),
                name="delivery_that_waits",
            )
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.rule}"
