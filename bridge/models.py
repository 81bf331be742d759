"""The rows that decide where a request goes, and what discovery learnt.

A row comes from one of two places: the environment (written at every start to match it, read-only
in the admin) or an operator. Whatever is saved or deleted here bumps `ConfigVersion` in the same
transaction; processes compare that number to notice a change.
"""

from __future__ import annotations

import secrets
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models, transaction

from bridge import addresses, keys
from bridge.translation.profile import PROFILES


class Origin(models.TextChoices):
    ENVIRONMENT = "environment", "Environment"
    OPERATOR = "operator", "Operator"


class ConfigVersion(models.Model):
    """One row, one number: it grows with every change of the configuration."""

    number = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)

    @classmethod
    def bump(cls) -> None:
        cls.objects.get_or_create(pk=1)
        cls.objects.filter(pk=1).update(number=models.F("number") + 1)

    @classmethod
    def current(cls) -> int:
        row = cls.objects.filter(pk=1).first()
        return row.number if row else 0


class ConfigQuerySet(models.QuerySet[Any]):
    """Writing many rows at once is a change of the configuration too."""

    def delete(self) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            gone = super().delete()
            ConfigVersion.bump()
        return gone

    def update(self, **values: Any) -> int:
        with transaction.atomic():
            count = super().update(**values)
            ConfigVersion.bump()
        return count

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Any]:
        with transaction.atomic():
            rows = super().bulk_create(*args, **kwargs)
            ConfigVersion.bump()
        return rows


class ConfigRow(models.Model):
    """Base of all rows that make up the configuration."""

    objects = ConfigQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        with transaction.atomic():
            super().save(*args, **kwargs)
            ConfigVersion.bump()

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        with transaction.atomic():
            gone = super().delete(*args, **kwargs)
            ConfigVersion.bump()
        return gone


def _dialects() -> list[tuple[str, str]]:
    return [("auto", "Detect"), *((name, name) for name in PROFILES)]


def _usable_address(value: str) -> None:
    if expected := addresses.problem(value):
        raise ValidationError(f"Expected {expected}.")


def _model_dialects() -> list[tuple[str, str]]:
    return [(name, name) for name in PROFILES]


class Backend(ConfigRow):
    """One OpenAI-compatible server."""

    name = models.SlugField(unique=True, help_text="Short name, used in aliases and reports.")
    url = models.CharField(
        "base URL",
        max_length=500,
        validators=[_usable_address],
        help_text="With its version folder, e.g. https://llm.example.com/v1.",
    )
    dialect = models.CharField(
        max_length=20,
        choices=_dialects,
        default="auto",
        help_text="The server's family. Detected from its model list and address when left alone.",
    )
    credential = models.CharField(
        max_length=200,
        blank=True,
        validators=[RegexValidator(r"^env:[A-Za-z_][A-Za-z0-9_]*$", "Write env:NAME.")],
        help_text="env:NAME takes the key from that environment variable. Empty: callers' keys.",
    )
    auth_header = models.CharField(
        max_length=60,
        default="authorization",
        validators=[RegexValidator(r"^[A-Za-z0-9-]+$", "Not a header name.")],
        help_text="Header that carries the key; authorization sends it as a bearer token.",
    )
    timeout_seconds = models.PositiveIntegerField(
        default=600,
        validators=[MinValueValidator(1)],
        help_text="Longest wait for an answer to begin; whole answers if not streamed.",
    )
    position = models.PositiveIntegerField(
        default=0, help_text="Backends are asked for a model in this order."
    )
    enabled = models.BooleanField(default=True)
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A full chat address is as good as a base address."""
        if self.url and not addresses.problem(self.url):
            self.url = addresses.base_url(self.url)


class ModelAlias(ConfigRow):
    """A model name that clients use, and the backend's model behind it."""

    pattern = models.CharField(
        max_length=200,
        unique=True,
        help_text="The name, or a glob such as claude-* or *haiku*. * catches what nobody knows.",
    )
    backend = models.ForeignKey(Backend, on_delete=models.PROTECT, related_name="aliases")
    model = models.CharField(max_length=300, help_text="The model's name at the backend.")
    enabled = models.BooleanField(default=True)
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["pattern"]
        verbose_name_plural = "model aliases"

    def __str__(self) -> str:
        return self.pattern


class ToolNameMap(ConfigRow):
    """A tool that the backend's model calls by another name than the client."""

    backend_name = models.CharField(max_length=128, help_text="The name at the backend.")
    client_name = models.CharField(max_length=128, help_text="The name in the client's request.")
    model_pattern = models.CharField(
        max_length=200, default="*", help_text="For which models: a name or a glob."
    )
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["model_pattern", "backend_name"]
        constraints = [
            models.UniqueConstraint(
                fields=["backend_name", "model_pattern"], name="one_row_per_tool_and_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.backend_name} -> {self.client_name}"


class DiscoveredModel(ConfigRow):
    """A model that a backend listed, with what its entry told. Empty means "not told"."""

    backend = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=300)
    context = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens.")
    max_output = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens.")
    vision = models.BooleanField(null=True, blank=True)
    tools = models.BooleanField(null=True, blank=True)
    reasoning = models.BooleanField(null=True, blank=True)
    dialect = models.CharField(
        max_length=20,
        choices=_model_dialects,
        blank=True,
        help_text="The family of this model alone, where it differs from its backend's.",
    )
    inline_thinking = models.CharField(
        max_length=5,
        choices=[("off", "No"), ("tags", "Between <think> tags"), ("open", "From the start on")],
        blank=True,
        help_text="Whether thinking stands in the text. Empty: known from the model's name.",
    )
    written_calls = models.BooleanField(
        null=True,
        blank=True,
        help_text="Read tool calls that the model writes as text. Empty: as TEXT_TOOL_CALLS says.",
    )
    refused = models.JSONField(
        default=list, blank=True, help_text="Optional fields that this model answered 400 to."
    )
    entry = models.JSONField(default=dict, help_text="The backend's own entry, as last seen.")
    listed = models.BooleanField(default=True, help_text="In the backend's list when last read.")
    first_seen = models.DateTimeField(auto_now_add=True)
    last_change = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["backend", "name"], name="one_row_per_model")
        ]

    def __str__(self) -> str:
        return self.name


class ApiKey(ConfigRow):
    """A key that this gateway issued. The key itself is shown once and never stored."""

    name = models.CharField(max_length=100, unique=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"

    @classmethod
    def issue(cls, name: str) -> tuple[ApiKey, str]:
        """A new key and its text, which nobody can read again. ValidationError: name taken."""
        text = keys.PREFIX + secrets.token_urlsafe(32)
        row = cls(name=name, digest=keys.digest(text), last_four=text[-4:])
        try:
            row.full_clean()
        except ValidationError as error:
            raise ValidationError(error.messages) from None
        row.save()
        return row, text
