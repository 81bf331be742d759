"""Teams of people, what they may use together, and what one person may use with all keys.

A person is a user of Django. Whoever is deleted stays in the ledger by number and name.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import receiver

from bridge.client_settings import checking
from bridge.client_settings.checking import NO_OBJECT
from bridge.models.base import ConfigRow, ConfigVersion, Document
from bridge.models.people.limit_columns import SharedLimits

HAS_KEYS = "Keys belong to this team. Move them to another team first, or disable the team."
_UNSEEN = frozenset({"last_login", "password"})
"""Columns of a user that say nothing about what the person may use."""


def check_client_settings(settings: Any) -> None:
    """Raises ValidationError. What keys it has is looked at where it is written, see `clean`."""
    if not isinstance(settings, dict):
        raise ValidationError(NO_OBJECT)


def person_called(username: Any) -> User:
    """Raises ValidationError."""
    found = User.objects.filter(username=username if isinstance(username, str) else "").first()
    if found is None:
        raise ValidationError(f"no user is called {username}")
    return found


class Team(SharedLimits, ConfigRow):
    """People who share limits. Its document names its members."""

    KIND = "teams"
    NATURAL_KEY = ("name",)
    MEMBERS = {
        name: name for name in ("name", "enabled", *SharedLimits.LIMIT_MEMBERS, "client_settings")
    }

    name = models.CharField(max_length=100, unique=True, help_text="As reports call it.")
    enabled = models.BooleanField(
        default=True, help_text="The keys of a team that is not enabled are refused."
    )
    client_settings = models.JSONField(
        "client settings",
        default=dict,
        blank=True,
        validators=[check_client_settings],
        help_text="A JSON object: managed settings of Claude Code for the members of this team, on "
        "top of those that fit the models that they may use. Clients that are signed in by /login "
        "read them within the hour.",
    )
    people: models.ManyToManyField[User, TeamMember] = models.ManyToManyField(
        User, through="TeamMember", related_name="teams"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        # Not by the field's validators: rows that were stored before a key was known still serve.
        if found := checking.faults(self.client_settings):
            raise ValidationError({"client_settings": found})

    def document(self) -> Document:
        people = self.people.order_by("username").values_list("username", flat=True)
        return super().document() | ({"members": [*people]} if people else {})

    def fill(self, document: Document) -> None:
        super().fill(document)
        members = document.get("members", [])
        if not isinstance(members, list) or not all(isinstance(name, str) for name in members):
            raise ValidationError({"members": "Expected a list of usernames."})

    def fill_parts(self, document: Document) -> None:
        """Its members become those of the document. ValidationError: by ``members[i]``."""
        wanted = {}
        for place, name in enumerate(document.get("members", [])):
            try:
                wanted[person_called(name).pk] = name
            except ValidationError as error:
                raise ValidationError({f"members[{place}]": error.messages}) from None
        for member in self.memberships.exclude(user__in=wanted):
            member.delete()
        known = set(self.memberships.values_list("user_id", flat=True))
        for user_id in wanted.keys() - known:
            TeamMember(team=self, user_id=user_id).save()

    def in_file(self) -> Document:
        """Without members by company groups, which come back by themselves."""
        provided = self._provided()
        document = self.document()
        members = [name for name in document.pop("members", []) if name not in provided]
        return document | ({"members": members} if members else {})

    def from_file(self, document: Document) -> Document:
        """Members by company groups stay, whomever the file names."""
        members = document.get("members", [])
        if not isinstance(members, list):
            return document
        others = [name for name in self._provided() if name not in members]
        return document | {"members": [*members, *others]}

    def _provided(self) -> list[str]:
        rows = self.memberships.filter(provided=True).order_by("user__username")
        return list(rows.values_list("user__username", flat=True))

    def remove(self) -> None:
        """Raises ValidationError while keys belong to it: none gets free of its limits by that."""
        if self.keys.exists():
            raise ValidationError(f"{self.name}: {HAS_KEYS}")
        self.delete()


def team_called(name: Any) -> Team:
    """Raises ValidationError."""
    found: Team | None = Team.objects.filter(name=name if isinstance(name, str) else "").first()
    if found is None:
        raise ValidationError(f"no team is called {name}")
    return found


class TeamMember(ConfigRow):
    """One person in one team. A person may be in several."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="memberships", verbose_name="person"
    )
    provided = models.BooleanField(
        "by company group",
        default=False,
        editable=False,
        help_text="Ends when the person is no longer in a company group that gives it.",
    )

    class Meta:
        ordering = ["team__name", "user__username"]
        verbose_name = "member"
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="one_row_per_team_and_member")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team}"

    def affected(self) -> Iterable[ConfigRow]:
        return (self.team,)


class PersonLimits(SharedLimits, ConfigRow):
    """What one person may use with all keys together."""

    KIND = "person_limits"
    NATURAL_KEY = ("person",)
    MEMBERS = {"person": "username", **{name: name for name in SharedLimits.LIMIT_MEMBERS}}
    LOOKUPS = {"username": "user__username"}

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, related_name="limits", verbose_name="person"
    )

    class Meta:
        ordering = ["user__username"]
        verbose_name = "limits of a person"
        verbose_name_plural = "limits of people"

    def __str__(self) -> str:
        return self.username

    @property
    def username(self) -> str:
        return self.user.username

    @classmethod
    def default(cls, column: str) -> Any:
        return "" if column == "username" else super().default(column)

    def take(self, column: str, value: Any) -> None:
        if column != "username":
            super().take(column, value)
            return
        try:
            self.user = person_called(value)
        except ValidationError as error:
            raise ValidationError({"person": error.messages}) from None


@receiver(post_save, sender=User)
def _user_saved(
    sender: type[User], instance: User, update_fields: frozenset[str] | None = None, **_: Any
) -> None:
    """Processes read again who is active; a mere log-in changes nothing of that."""
    if update_fields is None or not update_fields <= _UNSEEN:
        ConfigVersion.bump()


@receiver(pre_delete, sender=User)
def _user_leaves(sender: type[User], instance: User, **_: Any) -> None:
    """So that the history of teams has it."""
    for row in (*instance.memberships.all(), *PersonLimits.objects.filter(user=instance)):
        row.delete()


@receiver(post_delete, sender=User)
def _user_deleted(sender: type[User], instance: User, **_: Any) -> None:
    ConfigVersion.bump()
