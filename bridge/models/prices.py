"""What tokens cost, as operators say."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models

from bridge.models.backends import Backend
from bridge.models.base import ConfigRow, Document


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
    NATURAL_KEY = ("model", "backend")
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
