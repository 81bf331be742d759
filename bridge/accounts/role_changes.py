"""Giving a user a role, and the rule that one active admin is left."""

from __future__ import annotations

from collections.abc import Collection

from django.contrib.auth.models import Group, User
from django.db import transaction

from bridge.accounts import roles
from bridge.models import ProvidedRole
from bridge.models.changes import take_turn

LAST_ADMIN = "This is the last active admin, and must stay one."


def admins_without(gone: Collection[int | None]) -> bool:
    """Whether an active admin is left when these users are none.

    In a transaction the admins stay locked until its end: else two could go at one moment, each
    because of the other.
    """
    admins = User.objects.filter(is_superuser=True, is_active=True).order_by("pk")
    if transaction.get_connection().in_atomic_block:
        take_turn()
        admins = admins.select_for_update(no_key=True)
    return any(pk not in gone for pk in admins.values_list("pk", flat=True))


def give(user: User, role: str) -> None:
    """This user, who is saved, has this role and no other of the gateway's; "" for none."""
    user.groups.remove(*Group.objects.filter(name__in=roles.GROUPS))
    user.groups.add(*Group.objects.filter(name=role, name__in=roles.GROUPS))
    user.is_superuser = role == roles.ADMIN
    user.is_staff = user.is_superuser or user.groups.exists()
    user.save(update_fields=["is_superuser", "is_staff"])
    given_by_hand(user)


def given_by_hand(user: User) -> None:
    """What this user has now was given by hand: no company group takes it away."""
    ProvidedRole.objects.filter(user=user).delete()
