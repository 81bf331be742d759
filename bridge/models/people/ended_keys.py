"""Issued keys that are good no more, and when each key was last seen, good or not."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.utils import timezone


class EndReason(models.TextChoices):
    ROTATED = "rotated", "replaced by a new key"
    REVOKED = "revoked", "revoked"
    DELETED = "deleted", "deleted"


class EndedKey(models.Model):
    """A key that is good for nothing any more, kept so that its use is known for what it is.

    Not part of the configuration's documents. `key_id` is the row that it belonged to, which may
    be gone.
    """

    digest = models.CharField(max_length=64, unique=True)
    last_four = models.CharField(max_length=4)
    key_id = models.BigIntegerField(db_index=True)
    name = models.CharField(max_length=100)
    why = models.CharField(max_length=10, choices=EndReason)
    ended_at = models.DateTimeField()

    class Meta:
        ordering = ["-ended_at", "-pk"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four}) {self.why}"

    @classmethod
    def remember(
        cls,
        key_id: int,
        name: str,
        digest: str,
        four: str,
        why: EndReason,
        until: datetime | None = None,
    ) -> None:
        """A key of the row with this number ends now, or ended at `until` if that has passed."""
        if not digest:
            return
        now = timezone.now()
        given = {
            "last_four": four,
            "key_id": key_id,
            "name": name,
            "why": why,
            "ended_at": min(now, until or now),
        }
        cls.objects.update_or_create(digest=digest, defaults=given)


class KeyUse(models.Model):
    """When a key was last seen, good or not. The old and the new key of a row are two."""

    UNIQUE = ("key_id", "last_four")

    key_id = models.BigIntegerField()
    last_four = models.CharField(max_length=4)
    last_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key_id", "last_four"], name="one_row_per_key_used")
        ]

    def __str__(self) -> str:
        return f"{self.key_id} (…{self.last_four}) {self.last_at:%Y-%m-%d %H:%M}"
