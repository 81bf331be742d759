"""Which requests get a cost: of which hours, which models, whose; and whether also those that have
one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Model, Q, QuerySet
from django.db.models.fields.json import KeyTransform

from bridge.ledger.report import of_key
from bridge.models import ModelHour, UsageHour, UsageRecord
from bridge.routing import globs

USED = (
    Q(input_tokens__gt=0)
    | Q(output_tokens__gt=0)
    | Q(cache_read_tokens__gt=0)
    | Q(cache_write_tokens__gt=0)
)
"""Requests that cost something, if anybody knows what."""

Place = tuple[str, str]
"""A backend and a model, at its name there."""


@dataclass(frozen=True, slots=True)
class RepricingScope:
    """Requests that arrived from the full hour `since` until the full hour `until`.

    model   only those of this model or glob, at its name at the backend; "" for every one
    key     only those of the key of this name; "" for every one
    every   also those that have a cost, which was that of another price
    """

    since: datetime
    until: datetime
    model: str = ""
    key: str = ""
    every: bool = False

    @property
    def words(self) -> str:
        """What it is of: `cost of GLM-4.6, key ada`."""
        models = f"cost of {self.model}" if self.model else "cost of every model"
        known = " with the requests that had one" if self.every else ""
        return f"{models}{f', key {self.key}' if self.key else ''}{known}"

    def whose(self) -> Q:
        """Raises UnknownNameError."""
        return of_key(self.key) if self.key else Q()

    def takes(self, model: str) -> bool:
        """Whether it is of this model."""
        return not self.model or globs.matches(self.model, model)

    def hours(self) -> QuerySet[Any]:
        """Their sums by backend and model. Raises UnknownNameError."""
        sums: type[Model] = UsageHour if self.key else ModelHour
        hours = sums._default_manager.filter(
            self.whose(), hour__gte=self.since, hour__lt=self.until
        )
        return hours.order_by()

    def all_rows(self) -> QuerySet[UsageRecord]:
        """Every row of these hours, also of other models. Raises UnknownNameError."""
        rows = UsageRecord.objects.filter(self.whose(), time__gte=self.since, time__lt=self.until)
        return rows.order_by()

    def rows(self, models: Collection[str]) -> QuerySet[UsageRecord]:
        """The rows of these models that may get another cost, the oldest first, each with what its
        backend `reported` that it cost. Raises UnknownNameError."""
        rows = self.all_rows().filter(USED, model__in=models).order_by("time", "pk")
        if self.every:
            return rows.annotate(reported=KeyTransform("reported_cost_nano_usd", "detail"))
        return rows.filter(cost_nano_usd=None).annotate(reported=F("cost_nano_usd"))
