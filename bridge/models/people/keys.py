"""The keys that this gateway issued, with what their holders may use."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from bridge.keys import authentication
from bridge.keys.client_address import Network, networks_of
from bridge.models.base import ConfigRow, ConfigVersion, Document
from bridge.models.people.ended_keys import EndedKey, EndReason
from bridge.models.people.limit_columns import LimitColumns, dollars_column
from bridge.models.people.teams import Team, person_called, team_called

T = TypeVar("T")

SAMPLE_DAYS = 7
"""How long samples are taken where nobody says it."""
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


class KeyKind(models.TextChoices):
    """Sessions are keys that a person's sign-in made: no part of the configuration's documents."""

    ISSUED = "issued", "issued"
    SESSION = "session", "session"


class ApiKey(LimitColumns, ConfigRow):
    """A key that this gateway issued. The key itself is shown once and never stored.

    While a rotated key's overlap lasts, the one before it (`former_digest`) is good as well.
    Neither digest is part of the document: no history holds one, and no undo brings one back.
    """

    KIND = "keys"
    NATURAL_KEY = ("name",)
    MEMBERS = {
        "name": "name",
        "owner": "owner",
        "person": "person_name",
        "team": "team_name",
        **{
            name: name
            for name in (
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
                "sample_until",
            )
        },
    }
    OF_THE_KEY = ("last_four", "minted_at", "former_four", "former_until", "revoked_at")
    """Members that say which key is good; an undo leaves them as they are."""
    NOT_IN_FILE = OF_THE_KEY

    name = models.CharField(max_length=100, unique=True, help_text="As reports call it.")
    owner = models.CharField(
        max_length=200, blank=True, default="", help_text="Who to ask about it."
    )
    person = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        related_name="keys",
        null=True,
        blank=True,
        help_text="Whose key it is. The limits of this person hold for it too.",
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.PROTECT,
        related_name="keys",
        null=True,
        blank=True,
        help_text="The team whose limits it shares. Empty: the team of its person, where there is "
        "exactly one.",
    )
    kind = models.CharField(
        max_length=7, choices=KeyKind, default=KeyKind.ISSUED, editable=False, db_index=True
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
    addresses = models.TextField(
        "allowed addresses",
        blank=True,
        default="",
        validators=[usable_networks],
        help_text="Addresses or networks of clients (192.0.2.7, 10.0.0.0/8, 2001:db8::/32), one a "
        "line. Empty: all.",
    )
    budget_usd = dollars_column(
        "budget", "USD. When it is spent, requests are refused until the period ends."
    )
    period = models.CharField("budget is for", max_length=5, choices=Period, default=Period.MONTH)
    sample_percent = models.PositiveSmallIntegerField(
        "keep bodies of",
        default=0,
        validators=[MaxValueValidator(100)],
        help_text="Percent of the requests whose prompt and answer are kept, credentials "
        "removed, for the request's page. Tell the key's holder.",
    )
    sample_until = models.DateTimeField(
        "keep them until",
        null=True,
        blank=True,
        help_text=f"Empty: {SAMPLE_DAYS} days from now. What is kept stays as long as its row.",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.name} (…{self.last_four})"

    def save(self, *args: Any, **options: Any) -> None:
        """No sampling without an end: who forgets it keeps prompts for ever."""
        if self.sample_percent and self.sample_until is None:
            self.sample_until = timezone.now() + timedelta(days=SAMPLE_DAYS)
            if (columns := options.get("update_fields")) is not None:
                options["update_fields"] = {*columns, "sample_until"}
        super().save(*args, **options)

    @property
    def is_sampled(self) -> bool:
        """Whether prompts and answers are kept at the moment."""
        is_over = self.sample_until is not None and self.sample_until <= timezone.now()
        return bool(self.sample_percent) and not is_over

    def budgets(self) -> dict[str, Decimal]:
        if self.period not in Period.values:
            raise ValueError(f"period: expected one of {', '.join(Period.values)}")
        return {} if self.budget_usd is None else {self.period: self.budget_usd}

    def counted_team(self) -> Team | None:
        """The team whose limits hold for this key: its own, else the only one of its person."""
        if self.team is not None or self.person is None:
            return self.team
        teams = list(self.person.teams.all()[:2])
        return teams[0] if len(teams) == 1 else None

    @property
    def person_name(self) -> str:
        return self.person.username if self.person else ""

    @property
    def team_name(self) -> str:
        return self.team.name if self.team else ""

    @classmethod
    def default(cls, column: str) -> Any:
        return "" if column in ("person_name", "team_name") else super().default(column)

    def take(self, column: str, value: Any) -> None:
        if column == "person_name":
            self.person = self._named("person", person_called, value)
        elif column == "team_name":
            self.team = self._named("team", team_called, value)
        else:
            super().take(column, value)

    @staticmethod
    def _named(member: str, find: Callable[[Any], T], name: Any) -> T | None:
        try:
            return find(name) if name else None
        except ValidationError as error:
            raise ValidationError({member: error.messages}) from None

    def bump(self) -> None:
        ConfigVersion.bump("sessions" if self.kind == KeyKind.SESSION else "number")

    def affected(self) -> Iterable[ConfigRow]:
        return () if self.kind == KeyKind.SESSION else (self,)

    @property
    def state(self) -> str:
        """good, switched off, expired or revoked: what the row itself says."""
        if self.revoked_at is not None:
            return "revoked"
        if not self.enabled:
            return "switched off"
        is_over = self.expires_at is not None and self.expires_at <= timezone.now()
        return "expired" if is_over else "good"

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
        self.become(text)
        return text

    def become(self, text: str) -> None:
        """From now on the row's key is this one. Not saved yet."""
        self.digest, self.last_four = authentication.digest(text), text[-4:]
        self.minted_at = timezone.now()

    def renew(self, text: str, expires_at: datetime, overlap: timedelta) -> None:
        """The next key of a session; requests with the one before it may arrive a while longer.

        Saved. Leaves no ended key behind: there would be one each hour.
        """
        self.former_digest, self.former_four = self.digest, self.last_four
        self.former_until = timezone.now() + overlap
        self.expires_at = expires_at
        self.become(text)
        self.save()

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
        if self.kind != KeyKind.SESSION:
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

    def in_file(self) -> Document:
        if self.kind == KeyKind.SESSION:
            return {}
        members = self.document().items()
        return {name: value for name, value in members if name not in self.NOT_IN_FILE}

    def from_file(self, document: Document) -> Document:
        """No file changes which key is good, or brings a revoked one back."""
        if self.kind == KeyKind.SESSION:
            raise ValidationError({"name": "A sign-in has this name."})
        now = self.document()
        of_the_key = {name: now[name] for name in self.OF_THE_KEY if name in now}
        revoked = {"enabled": False} if self.revoked_at is not None else {}
        return document | of_the_key | revoked

    def restore(self, document: Document) -> None:
        """A row comes back without its key: revoked, until `rotate` makes a new one."""
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


@receiver(pre_delete, sender=User)
def _person_leaves(sender: type[User], instance: User, **_: Any) -> None:
    """Keys of a person who is deleted are good no more."""
    for key in ApiKey.objects.filter(person=instance):
        if key.kind == KeyKind.SESSION:
            key.delete()
            continue
        key.person = None
        if key.revoked_at is None:
            key.revoke()
        else:
            key.save()


@receiver(pre_delete, sender=ApiKey)
def _ended_by_deletion(sender: type[ApiKey], instance: ApiKey, **_: Any) -> None:
    """However a row is deleted, its keys stay known as deleted."""
    row = instance
    why = EndReason.DELETED if row.revoked_at is None else EndReason.REVOKED
    EndedKey.remember(row.pk, row.name, row.digest, row.last_four, why, row.revoked_at)
    why, until = EndReason.DELETED, row.former_until
    EndedKey.remember(row.pk, row.name, row.former_digest, row.former_four, why, until)
