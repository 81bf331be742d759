"""Names: which backend's model an alias stands for, what tools are called, what tokens cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from bridge.models.backends import Backend
from bridge.models.base import ConfigRow, Document, Origin
from bridge.translation import safeguards
from bridge.translation.request.overrides import ABSENT_THINKING, NOT_EXTRA, THINKING

NO_OBJECT = 'A JSON object, such as {"min_p": 0.1}.'


def check_extra(fields: Any) -> None:
    """Extra fields are an object, and none of those that the translation sets. ValidationError."""
    if not isinstance(fields, dict):
        raise ValidationError(NO_OBJECT)
    if refused := sorted(NOT_EXTRA & fields.keys()):
        raise ValidationError(f"The gateway sets these itself: {', '.join(refused)}.")


class ModelAlias(ConfigRow):
    """A model name that clients use. Its targets say which backends' models are behind it."""

    KIND = "aliases"
    MEMBERS = {
        "pattern": "pattern",
        "thinking": "thinking",
        "thinking_when_absent": "thinking_when_absent",
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "system_prefix": "system_prefix",
        "extra": "extra",
        "safeguards": "safeguards",
        "enabled": "enabled",
    }

    pattern = models.CharField(
        max_length=200,
        unique=True,
        help_text="The name, or a glob such as claude-* or *haiku*. * catches every other name.",
    )
    thinking = models.CharField(
        max_length=10,
        blank=True,
        default="",
        choices=[(name, name) for name in THINKING],
        help_text="Whether and how hard the model thinks. Empty: as in the request.",
    )
    thinking_when_absent = models.CharField(
        "thinking when absent",
        max_length=10,
        blank=True,
        default="",
        choices=[(name, name) for name in ABSENT_THINKING],
        help_text="What a request without a word on thinking means: off, or leave it to the model. "
        "Empty: off for Claude Code, which says when it wants thinking; for others, leave.",
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
        help_text="From 0 to 2, whatever the request has. Empty: as in the request.",
    )
    max_tokens = models.PositiveIntegerField(
        "longest answer",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Tokens. A request that asks for more gets this many. Empty: as in the request.",
    )
    system_prefix = models.TextField(
        blank=True, default="", help_text="Put in front of every system prompt."
    )
    extra = models.JSONField(
        "extra fields",
        default=dict,
        blank=True,
        validators=[check_extra],
        help_text="A JSON object whose members are added to every request to the backend, such as "
        '{"min_p": 0.1, "chat_template_kwargs": {"preserve_thinking": true}}.',
    )
    safeguards = models.CharField(
        "verdicts for auto mode",
        max_length=12,
        blank=True,
        default="",
        choices=[(name, name) for name in safeguards.CHOICES],
        help_text="What Claude Code's auto mode is answered when it asks for verdicts on tool "
        "calls: that they are unavailable, so that it checks by itself, or nothing. Empty: as the "
        "setting SAFEGUARDS says.",
    )
    enabled = models.BooleanField(default=True)
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["pattern"]
        verbose_name = "alias"
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.pattern

    def clean(self) -> None:
        # A field's validators do not see an empty value, and [] is one.
        if not isinstance(self.extra, dict):
            raise ValidationError({"extra": NO_OBJECT})

    def document(self) -> Document:
        pattern, *rest = super().document().items()
        targets = self.targets.select_related("backend")
        return dict([pattern, ("targets", [row.document() for row in targets]), *rest])

    def fill_parts(self, document: Document) -> None:
        """Targets in the order in which they are asked. ValidationError: by ``targets[i].name``."""
        backends = {row.name: row for row in Backend.objects.all()}
        rows = [
            self._target(f"targets[{place}]", target, backends.get(target["backend"]))
            for place, target in enumerate(document["targets"])
        ]
        rows.sort(key=lambda row: (row.position, -row.weight))
        stored = [row.document() for row in self.targets.select_related("backend")]
        if [row.document() for row in rows] != stored:
            self.targets.all().delete()
            for row in rows:
                row.save()

    def _target(self, place: str, document: Document, backend: Backend | None) -> AliasTarget:
        if backend is None:
            raise ValidationError({place: f"no backend is called {document['backend']}"})
        row = AliasTarget(alias=self, backend=backend)
        row.fill(document)
        try:
            row.full_clean()
        except ValidationError as error:
            wrong = error.message_dict.items()
            raise ValidationError({f"{place}.{name}": texts for name, texts in wrong}) from None
        return row


class AliasTarget(ConfigRow):
    """One of the models that an alias stands for.

    Those of the lowest position share the requests by weight; the next ones are for when they fail.
    """

    MEMBERS = {
        "model": "model",
        "weight": "weight",
        "position": "position",
    }

    alias = models.ForeignKey(ModelAlias, on_delete=models.CASCADE, related_name="targets")
    backend = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="targets")
    model = models.CharField(max_length=300, help_text="The model's name at the backend.")
    weight = models.PositiveIntegerField(
        default=1, help_text="Share of the requests among targets of one position."
    )
    position = models.PositiveIntegerField(
        default=0, help_text="0 comes first; higher ones when those before cannot answer."
    )

    class Meta:
        ordering = ["position", "-weight", "pk"]
        verbose_name = "target"

    def __str__(self) -> str:
        return f"{self.backend}: {self.model}"

    def affected(self) -> Iterable[ConfigRow]:
        return (self.alias,)

    def document(self) -> Document:
        return {"backend": self.backend.name, **super().document()}

    def fill(self, document: Document) -> None:
        super().fill({name: value for name, value in document.items() if name != "backend"})


class ToolNameMap(ConfigRow):
    """A tool that the backend's model calls by another name than the client."""

    KIND = "tool_names"
    NATURAL_KEY = 2
    MEMBERS = {
        "model": "model_pattern",
        "backend_name": "backend_name",
        "client_name": "client_name",
    }

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
        verbose_name = "tool name"
        constraints = [
            models.UniqueConstraint(
                fields=["backend_name", "model_pattern"], name="one_row_per_tool_and_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.backend_name} -> {self.client_name}"


def _per_mtok(label: str) -> models.DecimalField[Any, Any]:
    return models.DecimalField(
        label,
        max_digits=12,
        decimal_places=6,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="USD per million tokens.",
    )


class Price(ConfigRow):
    """What a model's tokens cost, at one backend or at all of them.

    What is left empty costs as input does, as most backends bill.
    """

    KIND = "prices"
    NATURAL_KEY = 2
    OPTIONAL = frozenset({"backend"})
    MEMBERS = {
        "model": "model",
        "backend": "backend_name",
        "input_per_mtok": "input_per_mtok",
        "output_per_mtok": "output_per_mtok",
        "cache_read_per_mtok": "cache_read_per_mtok",
        "cache_write_per_mtok": "cache_write_per_mtok",
    }

    model = models.CharField(
        max_length=300, help_text="The model's name at the backend, or a glob."
    )
    backend = models.ForeignKey(
        Backend,
        on_delete=models.CASCADE,
        related_name="operator_prices",
        null=True,
        blank=True,
        help_text="Empty: at every backend that has no price of its own for the model.",
    )
    input_per_mtok = models.DecimalField(
        "input",
        max_digits=12,
        decimal_places=6,
        validators=[MinValueValidator(0)],
        help_text="USD per million tokens.",
    )
    output_per_mtok = models.DecimalField(
        "output",
        max_digits=12,
        decimal_places=6,
        validators=[MinValueValidator(0)],
        help_text="USD per million tokens.",
    )
    cache_read_per_mtok = _per_mtok("cache read")
    cache_write_per_mtok = _per_mtok("cache write")

    class Meta:
        ordering = ["model", "backend__name"]
        constraints = [
            models.UniqueConstraint(
                fields=["model"],
                condition=models.Q(backend=None),
                name="one_price_per_model",
            ),
            models.UniqueConstraint(
                fields=["model", "backend"],
                name="one_price_per_model_and_backend",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.model} at {self.backend}" if self.backend else self.model

    def clean(self) -> None:
        same = Price.objects.filter(model=self.model, backend=self.backend).exclude(pk=self.pk)
        if same.exists():
            raise ValidationError({"model": "Price with this Model already exists."})

    @property
    def backend_name(self) -> str:
        """ "" for all backends."""
        return self.backend.name if self.backend else ""

    @classmethod
    def default(cls, column: str) -> Any:
        return "" if column == "backend_name" else super().default(column)

    @classmethod
    def lookup(cls, document: Document) -> dict[str, Any]:
        model, backend = cls.key_of(document)
        return {"model": model, **({"backend__name": backend} if backend else {"backend": None})}

    def take(self, column: str, value: Any) -> None:
        if column != "backend_name":
            super().take(column, value)
            return
        self.backend = Backend.objects.filter(name=value).first() if value else None
        if value and self.backend is None:
            raise ValidationError({"backend": f"no backend is called {value}"})
