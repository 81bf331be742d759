"""Columns that say what a key, a person or a team may use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from bridge.keys.limits import Limits
from bridge.routing import globs

PERIODS = ("day", "week", "month")


class UnpricedPolicy(models.TextChoices):
    """What becomes of a model that a budget cannot count."""

    DEFAULT = "", "as BUDGET_UNPRICED_MODELS says"
    ALLOW = "allow", "is served, with a warning to operators"
    REFUSE = "refuse", "is refused"


def usable_globs(value: str) -> None:
    """Each line a name or a glob. A bracket that is never closed would be taken literally."""
    for line in value.splitlines():
        if line.strip() and globs.has_open_bracket(line):
            raise ValidationError(f"{line.strip()} is no glob: a [ is never closed.")


def _minute(label: str) -> models.PositiveIntegerField[Any, Any]:
    return models.PositiveIntegerField(
        label, null=True, blank=True, validators=[MinValueValidator(1)]
    )


def _tokens(period: str) -> models.PositiveBigIntegerField[Any, Any]:
    return models.PositiveBigIntegerField(
        f"tokens a {period}",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=f"Of prompts and answers together; the {period} is that of UTC.",
    )


def dollars_column(label: str, help_text: str) -> models.DecimalField[Any, Any]:
    """A budget; empty for none."""
    return models.DecimalField(
        label,
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=help_text,
    )


def _budget(period: str) -> models.DecimalField[Any, Any]:
    return dollars_column(f"budget a {period}", f"USD; the {period} is that of UTC.")


class LimitColumns(models.Model):
    """Limits that keys, people and teams may have alike; a subclass adds its budgets."""

    allowed = models.TextField(
        "allowed models",
        blank=True,
        default="",
        validators=[usable_globs],
        help_text="Names or globs as clients send them, one a line. Empty: all.",
    )
    rpm = _minute("requests a minute")
    tpm = _minute("tokens a minute")
    concurrent = _minute("requests at once")
    unpriced = models.CharField(
        "a model without a price",
        max_length=6,
        choices=UnpricedPolicy,
        blank=True,
        default=UnpricedPolicy.DEFAULT,
        help_text="A budget cannot count what has no known price.",
    )
    tokens_day = _tokens("day")
    tokens_week = _tokens("week")
    tokens_month = _tokens("month")

    class Meta:
        abstract = True

    @property
    def patterns(self) -> tuple[str, ...]:
        """The globs of allowed models; empty for all."""
        return tuple(filter(None, (line.strip() for line in self.allowed.splitlines())))

    def budgets(self) -> dict[str, Decimal]:
        """US dollars by period. Raises ValueError: a row that no form has checked."""
        raise NotImplementedError

    @property
    def has_budget(self) -> bool:
        return bool(self.budgets())

    def limits(self) -> Limits:
        """What may be used. Raises ValueError: a row that no form has checked."""
        choice, budgets = self.unpriced or settings.BUDGET_UNPRICED_MODELS, self.budgets()
        return Limits(
            rpm=self.rpm,
            tpm=self.tpm,
            concurrent=self.concurrent,
            **{f"budget_{period}": amount for period, amount in budgets.items()},
            tokens_day=self.tokens_day,
            tokens_week=self.tokens_week,
            tokens_month=self.tokens_month,
            refuses_unpriced=bool(budgets) and choice == UnpricedPolicy.REFUSE,
        )


class SharedLimits(LimitColumns):
    """Limits that the keys of a person or a team have together, with a budget for each period."""

    LIMIT_MEMBERS = (
        "allowed",
        "rpm",
        "tpm",
        "concurrent",
        "budget_day",
        "budget_week",
        "budget_month",
        "unpriced",
        "tokens_day",
        "tokens_week",
        "tokens_month",
    )

    budget_day = _budget("day")
    budget_week = _budget("week")
    budget_month = _budget("month")

    class Meta:
        abstract = True

    def budgets(self) -> dict[str, Decimal]:
        amounts = {period: getattr(self, f"budget_{period}") for period in PERIODS}
        return {period: amount for period, amount in amounts.items() if amount is not None}
