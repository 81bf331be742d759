"""The keys that this gateway issued, with what their holders may use."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from bridge.keys import authentication
from bridge.models.base import ConfigRow


class Period(models.TextChoices):
    DAY = "day", "a day (UTC)"
    MONTH = "month", "a month (UTC)"


class ApiKey(ConfigRow):
    """A key that this gateway issued. The key itself is shown once and never stored.

    While a rotated key's overlap lasts, the one before it (`former_digest`) is good as well.
    """

    KIND = "keys"
    MEMBERS = {
        name: name
        for name in (
            "name",
            "owner",
            "digest",
            "last_four",
            "former_digest",
            "former_until",
            "enabled",
            "expires_at",
            "allowed",
            "rpm",
            "tpm",
            "concurrent",
            "budget_usd",
            "period",
            "sample_percent",
        )
    }

    name = models.CharField(max_length=100, unique=True, help_text="As reports call it.")
    owner = models.CharField(
        max_length=200, blank=True, default="", help_text="Who to ask about it."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    former_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    allowed = models.TextField(
        "allowed models",
        blank=True,
        default="",
        help_text="Names or globs as clients send them, one a line. Empty: all.",
    )
    rpm = models.PositiveIntegerField(
        "requests a minute", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    tpm = models.PositiveIntegerField(
        "tokens a minute", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    concurrent = models.PositiveIntegerField(
        "requests at once", null=True, blank=True, validators=[MinValueValidator(1)]
    )
    budget_usd = models.DecimalField(
        "budget",
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="USD. When it is spent, requests are refused until the period ends.",
    )
    period = models.CharField("budget is for", max_length=5, choices=Period, default=Period.MONTH)
    sample_percent = models.PositiveSmallIntegerField(
        "keep bodies of",
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Percent of the requests whose prompt and answer are kept, credentials "
        "removed, for the request's page. Tell the key's holder.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"

    @property
    def patterns(self) -> tuple[str, ...]:
        """The globs of allowed models; empty for all."""
        return tuple(filter(None, (line.strip() for line in self.allowed.splitlines())))

    def mint(self) -> str:
        """Give this row a new key; its text, which nobody can read again. Not saved yet."""
        text = authentication.PREFIX + secrets.token_urlsafe(32)
        self.digest, self.last_four = authentication.digest(text), text[-4:]
        return text

    def rotate(self, overlap: timedelta) -> str:
        """A new key in place of the old one, which stays good for `overlap`. Saved; its text."""
        self.former_digest = self.digest if overlap else ""
        self.former_until = timezone.now() + overlap if overlap else None
        text = self.mint()
        self.save()
        return text

    def revoke(self) -> None:
        """Neither this key nor the one before it is good any more."""
        self.enabled, self.former_digest, self.former_until = False, "", None
        self.save()

    @classmethod
    def issue(cls, name: str, given: Mapping[str, Any] | None = None) -> tuple[ApiKey, str]:
        """A new key and its text. ValidationError: name taken, a limit that makes no sense."""
        row = cls(name=name, **(given or {}))
        text = row.mint()
        try:
            row.full_clean()
        except ValidationError as error:
            told = [f"{column}: {' '.join(texts)}" for column, texts in error.message_dict.items()]
            raise ValidationError(told) from None
        row.save()
        return row, text
