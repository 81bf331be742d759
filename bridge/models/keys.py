"""The keys that this gateway issued, with what their holders may use."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from bridge.keys import authentication, periods
from bridge.keys.client_address import Network, networks_of
from bridge.keys.limits import Limits
from bridge.models.base import ConfigRow, Document
from bridge.models.ended_keys import EndedKey, EndReason
from bridge.routing import globs

REVOKED = "This key is revoked for good. Rotate makes a new one."


def usable_networks(value: str) -> None:
    try:
        networks_of(value)
    except ValueError as error:
        raise ValidationError(f"Expected addresses or networks, one a line: {error}.") from None


class Period(models.TextChoices):
    DAY = "day", "a day (UTC)"
    WEEK = "week", "a week (UTC, from Monday)"
    MONTH = "month", "a month (UTC)"
    TOTAL = "total", "in all (prepaid, never begins anew)"


_PERIODS: dict[str, periods.Period] = {
    "day": "day",
    "week": "week",
    "month": "month",
    "total": "total",
}


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


def _tokens(period: str) -> models.PositiveBigIntegerField[Any, Any]:
    return models.PositiveBigIntegerField(
        f"tokens a {period}",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=f"Of prompts and answers together; the {period} is that of UTC.",
    )


class ApiKey(ConfigRow):
    """A key that this gateway issued. The key itself is shown once and never stored.

    While a rotated key's overlap lasts, the one before it (`former_digest`) is good as well.
    Neither digest is part of the document: no history holds one, and no undo brings one back.
    """

    KIND = "keys"
    NATURAL_KEY = ("name",)
    MEMBERS = {
        name: name
        for name in (
            "name",
            "owner",
            "last_four",
            "minted_at",
            "former_four",
            "former_until",
            "revoked_at",
            "enabled",
            "expires_at",
            "allowed",
            "addresses",
            "rpm",
            "tpm",
            "concurrent",
            "budget_usd",
            "period",
            "unpriced",
            "tokens_day",
            "tokens_week",
            "tokens_month",
            "sample_percent",
        )
    }
    OF_THE_KEY = ("last_four", "minted_at", "former_four", "former_until", "revoked_at")
    """Members that say which key is good; an undo leaves them as they are."""

    name = models.CharField(max_length=100, unique=True, help_text="As reports call it.")
    owner = models.CharField(
        max_length=200, blank=True, default="", help_text="Who to ask about it."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    minted_at = models.DateTimeField(null=True, blank=True, editable=False)
    former_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    former_four = models.CharField(max_length=4, blank=True, default="", editable=False)
    former_until = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    allowed = models.TextField(
        "allowed models",
        blank=True,
        default="",
        validators=[usable_globs],
        help_text="Names or globs as clients send them, one a line. Empty: all.",
    )
    addresses = models.TextField(
        "allowed addresses",
        blank=True,
        default="",
        validators=[usable_networks],
        help_text="Addresses or networks of clients (192.0.2.7, 10.0.0.0/8, 2001:db8::/32), one a "
        "line. Empty: all.",
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

    def limits(self) -> Limits:
        """What its holder may use. Raises ValueError: a row that no form has checked."""
        choice = self.unpriced or settings.BUDGET_UNPRICED_MODELS
        return Limits(
            rpm=self.rpm,
            tpm=self.tpm,
            concurrent=self.concurrent,
            budget_usd=self.budget_usd,
            period=self._period(),
            tokens_day=self.tokens_day,
            tokens_week=self.tokens_week,
            tokens_month=self.tokens_month,
            refuses_unpriced=self.budget_usd is not None and choice == UnpricedPolicy.REFUSE,
        )

    def _period(self) -> periods.Period:
        if self.period not in _PERIODS:
            raise ValueError(f"period: expected one of {', '.join(_PERIODS)}")
        return _PERIODS[self.period]

    def check_new(self) -> None:
        """A new key must be good for something. Raises ValidationError."""
        if self.expires_at is not None and self.expires_at <= timezone.now():
            raise ValidationError({"expires_at": "This moment is past: no request could use it."})

    @property
    def networks(self) -> tuple[Network, ...]:
        """Where its requests may come from; empty for everywhere."""
        return networks_of(self.addresses)

    def clean(self) -> None:
        if self.enabled and self.revoked_at is not None:
            raise ValidationError({"enabled": REVOKED})

    def mint(self) -> str:
        """Give this row a new key; its text, which nobody can read again. Not saved yet."""
        text = authentication.PREFIX + secrets.token_urlsafe(32)
        self.digest, self.last_four = authentication.digest(text), text[-4:]
        self.minted_at = timezone.now()
        return text

    @transaction.atomic
    def rotate(self, overlap: timedelta) -> str:
        """A new key in place of the old one, which stays good for `overlap`. Saved; its text.

        What was revoked stays revoked: only the new key is good.
        """
        self._end_former(EndReason.ROTATED)
        if overlap and self.revoked_at is None:
            self.former_digest, self.former_four = self.digest, self.last_four
            self.former_until = timezone.now() + overlap
        else:
            why = EndReason.REVOKED if self.revoked_at else EndReason.ROTATED
            EndedKey.remember(self.pk, self.name, self.digest, self.last_four, why)
        text = self.mint()
        self.enabled, self.revoked_at = self.enabled or self.revoked_at is not None, None
        self.save()
        return text

    @transaction.atomic
    def revoke(self) -> None:
        """Neither this key nor the one before it is good any more, for good."""
        self._end_former(EndReason.REVOKED)
        self.enabled, self.revoked_at = False, timezone.now()
        self.save()

    def _end_former(self, why: EndReason) -> None:
        EndedKey.remember(
            self.pk, self.name, self.former_digest, self.former_four, why, self.former_until
        )
        self.former_digest, self.former_four, self.former_until = "", "", None

    # --- undo ---

    def undone(self, document: Document) -> Document:
        """No undo makes a key good that is not good now, or puts an old one in a new one's place.

        A row that was deleted has no key any more.
        """
        now, kept = self.document(), dict(document)
        for member in self.OF_THE_KEY:
            kept.pop(member, None)
            if member in now:
                kept[member] = now[member]
        if not self.enabled or self.pk is None:
            kept["enabled"] = False
        if self.expires_at is not None and self.expires_at <= timezone.now():
            kept["expires_at"] = now["expires_at"]
        return kept

    def restore(self, document: Document) -> None:
        """A deleted row comes back without its key: revoked, until `rotate` makes a new one."""
        super().restore(document)
        self.digest = secrets.token_hex(32)  # of no key
        self.former_four, self.former_until = "", None
        self.enabled, self.revoked_at = False, timezone.now()

    @classmethod
    def issue(cls, name: str, given: Mapping[str, Any] | None = None) -> tuple[ApiKey, str]:
        """A new key and its text. ValidationError: name taken, a limit that makes no sense."""
        row = cls(name=name, **(given or {}))
        text = row.mint()
        try:
            row.full_clean()
            row.check_new()
        except ValidationError as error:
            problems = [
                f"{column}: {' '.join(texts)}" for column, texts in error.message_dict.items()
            ]
            raise ValidationError(problems) from None
        row.save()
        return row, text


@receiver(pre_delete, sender=ApiKey)
def _ended_by_deletion(sender: type[ApiKey], instance: ApiKey, **_: Any) -> None:
    """However a row is deleted, its keys stay known as deleted."""
    row = instance
    why = EndReason.DELETED if row.revoked_at is None else EndReason.REVOKED
    EndedKey.remember(row.pk, row.name, row.digest, row.last_four, why, row.revoked_at)
    why, until = EndReason.DELETED, row.former_until
    EndedKey.remember(row.pk, row.name, row.former_digest, row.former_four, why, until)
