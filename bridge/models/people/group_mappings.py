"""What groups of a company account give here: a role, a team, or both.

Only admins may write these rows, since whoever writes them gives roles.
"""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from bridge.models.base import ConfigRow, Document
from bridge.models.people.teams import Team, team_called

LONGEST_GROUP = 255
NOTHING_GIVEN = "A group gives a role, a team, or both."


class GivenRole(models.TextChoices):
    """Roles that a group can give. An admin is made by an admin alone."""

    NONE = "", "none"
    AUDITOR = "auditor", "auditor"
    OPERATOR = "operator", "operator"


class GroupMapping(ConfigRow):
    """One group as the provider names it. Several rows of a group give several teams."""

    KIND = "group_mappings"
    NATURAL_KEY = ("group", "team")
    OPTIONAL = frozenset({"team"})
    MEMBERS = {"group": "group", "team": "team_name", "role": "role"}

    group = models.CharField(
        max_length=LONGEST_GROUP,
        help_text="Exactly as the provider sends it: a name, a path, or an id.",
    )
    role = models.CharField(
        max_length=10,
        choices=GivenRole,
        blank=True,
        default=GivenRole.NONE,
        help_text="What its members may do here.",
    )
    team = models.ForeignKey(
        Team,
        on_delete=models.CASCADE,
        related_name="group_mappings",
        null=True,
        blank=True,
        help_text="The team that its members belong to.",
    )

    class Meta:
        ordering = ["group", "team__name"]
        verbose_name = "company group"
        constraints = [
            models.UniqueConstraint(
                fields=["group"], condition=models.Q(team=None), name="one_row_per_group"
            ),
            models.UniqueConstraint(fields=["group", "team"], name="one_row_per_group_and_team"),
        ]

    def __str__(self) -> str:
        return f"{self.group} in {self.team}" if self.team else self.group

    def clean(self) -> None:
        if not self.role and self.team is None:
            raise ValidationError({"role": NOTHING_GIVEN})

    @property
    def team_name(self) -> str:
        """ "" for none."""
        return self.team.name if self.team else ""

    @classmethod
    def default(cls, column: str) -> Any:
        return "" if column == "team_name" else super().default(column)

    @classmethod
    def lookup(cls, document: Document) -> dict[str, Any]:
        group, team = cls.key_of(document)
        return {"group": group, **({"team__name": team} if team else {"team": None})}

    def take(self, column: str, value: Any) -> None:
        if column != "team_name":
            super().take(column, value)
            return
        try:
            self.team = team_called(value) if value else None
        except ValidationError as error:
            raise ValidationError({"team": error.messages}) from None


@receiver(pre_delete, sender=Team)
def _team_goes(sender: type[Team], instance: Team, **_: Any) -> None:
    """So that the history has it."""
    for row in GroupMapping.objects.filter(team=instance):
        row.delete()


class ProvidedRole(models.Model):
    """A role that a user has by a company group, and loses with it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="provided_roles")
    role = models.CharField(max_length=10, choices=GivenRole)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "role"], name="one_row_per_provided_role")
        ]

    def __str__(self) -> str:
        return f"{self.user} is {self.role}"
