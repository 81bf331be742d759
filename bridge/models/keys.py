"""The keys that this gateway issued."""

from __future__ import annotations

import secrets

from django.core.exceptions import ValidationError
from django.db import models

from bridge import keys
from bridge.models.base import ConfigRow


class ApiKey(ConfigRow):
    """A key that this gateway issued. The key itself is shown once and never stored."""

    KIND = "keys"
    MEMBERS = {
        "name": "name",
        "digest": "digest",
        "last_four": "last_four",
        "enabled": "enabled",
        "expires_at": "expires_at",
    }

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

    def mint(self) -> str:
        """Give this row a new key; its text, which nobody can read again. Not saved yet."""
        text = keys.PREFIX + secrets.token_urlsafe(32)
        self.digest, self.last_four = keys.digest(text), text[-4:]
        return text

    @classmethod
    def issue(cls, name: str) -> tuple[ApiKey, str]:
        """A new key and its text. ValidationError: name taken."""
        row = cls(name=name)
        text = row.mint()
        try:
            row.full_clean()
        except ValidationError as error:
            raise ValidationError(error.messages) from None
        row.save()
        return row, text
