"""Groups of a company account: how they are read, and what they give.

A provider or a front sends names of groups, and rows of `GroupMapping` say what each gives. At
every sign-in roles and teams that came from groups are brought up to date; what was given by hand
stays. An admin is made by hand alone, and nothing here touches who is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.models import Group, User

from bridge.models import GroupMapping, ProvidedRole, TeamMember
from bridge.models.changes import joined
from bridge.models.people.group_mappings import LONGEST_GROUP

MOST_GROUPS = 1000
ACTOR = "sign-in"
"""Whom the history names for what groups of a front gave and took away."""
ELSEWHERE = "_claim_names"
"""Where a provider that leaves a claim out says so."""


class GroupsError(ValueError):
    """What is wrong with the groups that were sent. Repeats nothing of them."""


def of_claims(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """The groups in a claim; none where there is no such claim.

    A name with dots is the claim of that name, or else the way to a member: ``realm_access.roles``.
    Raises GroupsError.
    """
    if not name:
        return frozenset()
    elsewhere = claims.get(ELSEWHERE)
    if name not in claims and isinstance(elsewhere, dict) and name in elsewhere:
        raise GroupsError(
            "they are too many for the provider to send. Have it send those alone that are "
            "assigned to the gateway"
        )
    value = _member(claims, name)
    return checked([value] if isinstance(value, str) else value)


def _member(claims: Mapping[str, Any], name: str) -> Any:
    if name in claims:
        return claims[name]
    found: Any = claims
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def checked(value: Any) -> frozenset[str]:
    """Groups as they were sent; None counts as none. Raises GroupsError."""
    if value is None:
        return frozenset()
    if not isinstance(value, list):
        raise GroupsError("expected a list of texts")
    if len(value) > MOST_GROUPS:
        raise GroupsError(f"expected at most {MOST_GROUPS}, and there are {len(value)}")
    if not all(isinstance(name, str) for name in value):
        raise GroupsError("expected a list of texts, and there is another value in it")
    if not all(name.isprintable() for name in value):
        raise GroupsError("there is a control character in a name")
    return frozenset(name for name in value if 0 < len(name) <= LONGEST_GROUP)


def of_header(text: str) -> frozenset[str]:
    """Groups between commas. Raises GroupsError."""
    return checked([name.strip() for name in text.split(",") if name.strip()])


# --- what they give -------------------------------------------------------------------------------


def bring_up_to_date(user: User, groups: Iterable[str]) -> None:
    """Give what these groups give, and take away what earlier ones gave, as one step."""
    wanted = set(groups)
    rows = [row for row in GroupMapping.objects.all() if row.group in wanted]
    with joined(ACTOR):
        update_roles(user, {str(row.role) for row in rows if row.role})
        update_teams(user, {row.team_id for row in rows if row.team_id is not None})


def update_roles(user: User, wanted: set[str]) -> None:
    """The roles by groups become these; those given by hand stay."""
    provided = {row.role: row for row in ProvidedRole.objects.filter(user=user)}
    held = set(user.groups.values_list("name", flat=True))
    given, gone = wanted - held, provided.keys() - wanted
    for role in sorted(gone):
        user.groups.remove(*Group.objects.filter(name=role))
        provided[role].delete()
    for role in sorted(given):
        user.groups.add(*Group.objects.filter(name=role))
        ProvidedRole.objects.get_or_create(user=user, role=role)
    if given or gone:
        user.is_staff = user.is_superuser or user.groups.exists()
        user.save(update_fields=["is_staff"])


def update_teams(user: User, wanted: set[int]) -> None:
    """The teams by groups become these; memberships given by hand stay."""
    memberships = {row.team_id: row for row in TeamMember.objects.filter(user=user)}
    for team_id, row in memberships.items():
        if row.provided and team_id not in wanted:
            row.delete()
    for team_id in sorted(wanted - memberships.keys()):
        TeamMember(team_id=team_id, user=user, provided=True).save()
