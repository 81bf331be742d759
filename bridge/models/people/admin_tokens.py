"""Tokens that open the admin API, each with a role. The token itself is shown once, never stored.

Not part of the configuration's documents, so no file and no undo makes one good again; what
happens to one stands in the history.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone

from bridge.keys import authentication
from bridge.models import changes

USE_NOTED_EVERY = timedelta(minutes=1)
"""How exactly `last_used_at` is kept: a request is no reason to write a row each time."""


class TokenRole(models.TextChoices):
    """What a token may do; the names are those of the roles of users."""

    AUDITOR = "auditor", "auditor"
    OPERATOR = "operator", "operator"
    ADMIN = "admin", "admin"


class AdminToken(models.Model):
    """A token of the admin API. `made_by`: a user or a command."""

    KIND = "admin_tokens"

    name = models.CharField(
        max_length=100, unique=True, help_text="As the history calls whoever uses it."
    )
    role = models.CharField(max_length=10, choices=TokenRole, help_text="What it may do.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    made_by = models.CharField(max_length=150, blank=True, default="", editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: never.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = "API token"

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"

    @property
    def state(self) -> str:
        """good, expired or revoked."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if is_over else "good"

    @property
    def actor(self) -> str:
        """Who is named in the history when this token changes something."""
        return f"token {self.name}"

    def document(self) -> dict[str, Any]:
        """What the history shows of it."""
        members: dict[str, Any] = {"name": self.name, "role": self.role}
        for name in ("expires_at", "revoked_at"):
            at: datetime | None = getattr(self, name)
            if at is not None:
                members[name] = at.isoformat()
        return {**members, "last_four": self.last_four, "made_by": self.made_by}

    def clean(self) -> None:
        if self.pk is None and self.expires_at is not None and self.state == "expired":
            raise ValidationError({"expires_at": "This moment is past: nobody could use it."})

    @classmethod
    def issue(
        cls, name: str, role: str, made_by: str, expires_at: datetime | None = None
    ) -> tuple[AdminToken, str]:
        """A new token and its text. Raises ValidationError by column."""
        row = cls(name=name, role=role, expires_at=expires_at)
        return row, row.mint(made_by)

    @transaction.atomic
    def mint(self, made_by: str) -> str:
        """Give this new row its token, and save it; the text, which nobody can read again."""
        text = authentication.ADMIN_PREFIX + secrets.token_urlsafe(32)
        self.digest, self.last_four = authentication.digest(text), text[-4:]
        self.made_by = made_by
        self.full_clean()
        self.save()
        changes.note(self.KIND, self.pk, self.name, None, self.document())
        return text

    @transaction.atomic
    def revoke(self) -> None:
        """It is refused from its next request on, for good."""
        if self.revoked_at is None:
            before = self.document()
            self.revoked_at = timezone.now()
            self.save(update_fields=["revoked_at"])
            changes.note(self.KIND, self.pk, self.name, before, self.document())

    def note_use(self) -> None:
        """It opened something just now."""
        now = timezone.now()
        if self.last_used_at is None or now - self.last_used_at >= USE_NOTED_EVERY:
            AdminToken.objects.filter(pk=self.pk).update(last_used_at=now)
