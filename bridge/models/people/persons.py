"""People and groups in the history: users of Django, their roles, and groups of an admin's own.

Whoever saves a user, changes their groups or deletes them leaves an entry: rows are compared when
signals say that they change. What writes many rows at once without signals (`update`,
`bulk_create`) is not seen; nothing of ours does that with users. A password's change is an event:
that it changed, and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db.models import Model
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete, pre_save
from django.dispatch import receiver

from bridge.models import changes
from bridge.models.changes import Recorded

USERS, GROUPS, SIGN_INS = "users", "groups", "sign_ins"
"""Kinds of entries."""
ADMIN = "admin"
ROLE_GROUPS = ("operator", "auditor")
"""Groups that are roles, from the one that allows more."""
PASSWORD_CHANGED = "password changed"  # noqa: S105 - words for an event
_UNSEEN = frozenset({"last_login"})


def role_of(user: User) -> str:
    """The role that allows most among those that this user has; "" for none."""
    if user.is_superuser:
        return ADMIN
    held = {group.name for group in user.groups.all()}
    return next((name for name in ROLE_GROUPS if name in held), "")


def document(user: User) -> dict[str, Any]:
    """What the history has of a user."""
    further = sorted(group.name for group in user.groups.all() if group.name not in ROLE_GROUPS)
    rights = _rights(user.user_permissions.all())
    return {
        "username": user.username,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "active": user.is_active,
        "role": role_of(user),
        **({"groups": further} if further else {}),
        **({"rights": rights} if rights else {}),
    }


def _group(group: Group) -> dict[str, Any]:
    rights = _rights(group.permissions.all())
    return {"name": group.name, **({"rights": rights} if rights else {})}


def _rights(permissions: Iterable[Permission]) -> list[str]:
    return sorted(permission.codename for permission in permissions)


changes.BESIDE |= {
    User: Recorded(USERS, document, "username"),
    Group: Recorded(GROUPS, _group, "name"),
}


# --- users and groups that are saved and deleted --------------------------------------------------


@receiver(pre_save, sender=User)
@receiver(pre_save, sender=Group)
def _saves(
    sender: type[Model],
    instance: Any,
    raw: bool = False,
    update_fields: frozenset[str] | None = None,
    **_: Any,
) -> None:
    if raw or (update_fields is not None and update_fields <= _UNSEEN):
        return
    is_new_password = isinstance(instance, User) and _has_new_password(instance, update_fields)
    event = PASSWORD_CHANGED if is_new_password else ""
    changes.about_to_write(instance, [instance], event)


@receiver(post_save, sender=User)
@receiver(post_save, sender=Group)
@receiver(post_delete, sender=User)
@receiver(post_delete, sender=Group)
def _written(sender: type[Model], instance: Model, **_: Any) -> None:
    changes.wrote(instance)


@receiver(pre_delete, sender=User)
@receiver(pre_delete, sender=Group)
def _deletes(sender: type[Model], instance: Model, **_: Any) -> None:
    changes.about_to_write(instance, [instance])


def _has_new_password(user: User, update_fields: frozenset[str] | None) -> bool:
    """Whether a stored user gets another password. Django hashes the same one again when it is
    entered and a stronger hash is due: then it saves that column alone, and keeps no text."""
    if user.pk is None or (update_fields is not None and "password" not in update_fields):
        return False
    if update_fields == frozenset({"password"}) and getattr(user, "_password", None) is None:
        return False
    stored = User.objects.filter(pk=user.pk).values_list("password", flat=True).first()
    return stored is not None and stored != user.password


# --- groups of users, rights of both --------------------------------------------------------------


@receiver(m2m_changed, sender=User.groups.through)
@receiver(m2m_changed, sender=User.user_permissions.through)
@receiver(m2m_changed, sender=Group.permissions.through)
def _links(
    sender: Any,
    instance: Model,
    action: str,
    reverse: bool,
    model: type[Model],
    pk_set: set[int] | None,
    **_: Any,
) -> None:
    if action.startswith("post_"):
        changes.wrote(instance)
        return
    rows = _holders(sender, instance, model, pk_set) if reverse else [instance]
    changes.about_to_write(instance, rows)


def _holders(
    through: Any, instance: Model, model: type[Model], pk_set: set[int] | None
) -> list[Model]:
    """The users, or groups, whose links are written from the other end."""
    if pk_set is not None:
        return list(model._default_manager.filter(pk__in=pk_set))
    end = "group" if isinstance(instance, Group) else "permission"
    source = model._meta.model_name
    linked = through._default_manager.filter(**{end: instance}).values(f"{source}_id")
    return list(model._default_manager.filter(pk__in=linked))
