"""Who may do what on the pages: two groups, kept as the table here says, and superusers.

`operator` runs the gateway, `auditor` reads its reports, a superuser is an admin and may do
everything, which includes users and groups. A new model is a new row of RIGHTS.
"""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User

from bridge.models.people.persons import ADMIN, ROLE_GROUPS, role_of

OPERATOR = "operator"
AUDITOR = "auditor"
GROUPS = ROLE_GROUPS
__all__ = ["ADMIN", "AUDITOR", "GROUPS", "OPERATOR", "role_of"]

MEANINGS = {
    AUDITOR: "Reads the reports and the history of changes. Sees no routing, changes nothing.",
    OPERATOR: "Runs the gateway: backends, models, aliases, tool names, prices, keys, teams and "
    "warnings; and reads what an auditor reads.",
    ADMIN: "May do everything, and alone makes users and groups.",
}

_ALL = ("view", "add", "change", "delete")
_VIEW = ("view",)
# model: what members of a group may do with it in the admin
RIGHTS: dict[str, dict[str, tuple[str, ...]]] = {
    "bridge.backend": {OPERATOR: _ALL},
    "bridge.breakerstate": {OPERATOR: _VIEW},
    "bridge.discoveredmodel": {OPERATOR: _ALL},
    "bridge.learnedfact": {OPERATOR: _ALL},
    "bridge.modelalias": {OPERATOR: _ALL},
    "bridge.aliastarget": {OPERATOR: _ALL},
    "bridge.toolnamemap": {OPERATOR: _ALL},
    "bridge.price": {OPERATOR: _ALL},
    "bridge.team": {OPERATOR: _ALL},
    "bridge.teammember": {OPERATOR: _ALL},
    "bridge.personlimits": {OPERATOR: _ALL},
    "bridge.apikey": {OPERATOR: _ALL},
    # whoever writes them gives roles, which admins do alone
    "bridge.groupmapping": {OPERATOR: ()},
    "bridge.warningrule": {OPERATOR: _ALL},
    "bridge.warningevent": {OPERATOR: _VIEW},
    "bridge.warningdelivery": {OPERATOR: _VIEW},
    "bridge.signin": {OPERATOR: ("view", "change"), AUDITOR: _VIEW},
    "bridge.change": {OPERATOR: _VIEW, AUDITOR: _VIEW},
}
REPORTED = frozenset({"auth.user", "bridge.team", "bridge.personlimits", "bridge.apikey"})
"""Models whose rows stand in reports, so that auditors read them through the admin API too."""
RANKS = (AUDITOR, OPERATOR, ADMIN)
"""The roles, from the one that may do least."""
APPS = tuple(dict.fromkeys(label.partition(".")[0] for label in RIGHTS))

Visitor = AbstractBaseUser | AnonymousUser


def may_see_reports(user: Visitor) -> bool:
    """Whether this user may open the reports. At most one query."""
    return _has_one_of(GROUPS, user)


def may_operate(user: Visitor) -> bool:
    """Whether this user may run the gateway. At most one query."""
    return _has_one_of((OPERATOR,), user)


def lowest(label: str, action: str) -> str:
    """The lowest role that may do this with rows of a model, through the admin API."""
    if action == "view" and label in REPORTED:
        return AUDITOR
    held = RIGHTS.get(label, {})
    return next((role for role in (AUDITOR, OPERATOR) if action in held.get(role, ())), ADMIN)


def reaches(role: str, needed: str) -> bool:
    """Whether a role may do what another may."""
    return role in RANKS and RANKS.index(role) >= RANKS.index(needed)


def _has_one_of(names: tuple[str, ...], user: Visitor) -> bool:
    if not (isinstance(user, User) and user.is_active):
        return False
    return user.is_superuser or user.groups.filter(name__in=names).exists()


# --- keeping the groups -----------------------------------------------------------------------


def keep(sender: AppConfig, using: str, apps: Any = apps, **_: Any) -> None:
    """post_migrate of an app: in both groups, the rights on its models become those of RIGHTS."""
    try:
        groups, permissions = (apps.get_model("auth", name) for name in ("Group", "Permission"))
    except LookupError:
        return  # a migration so early that there are no groups yet
    # Django makes them on the same signal, before or after this.
    create_permissions(sender, verbosity=0, using=using, apps=apps)
    ours = permissions.objects.using(using).filter(content_type__app_label=sender.label)
    for name in GROUPS:
        group, _made = groups.objects.using(using).get_or_create(name=name)
        wanted = codenames((sender.label,), name)
        group.permissions.remove(
            *group.permissions.filter(pk__in=ours.exclude(codename__in=wanted))
        )
        group.permissions.add(*ours.filter(codename__in=wanted))


def are_kept() -> bool:
    """Whether both groups have the rights of RIGHTS and no others. One query."""
    holds = ("name", "permissions__content_type__app_label", "permissions__codename")
    groups = Group.objects.filter(name__in=GROUPS)
    held = {row for row in groups.values_list(*holds) if row[-1]}
    wanted = {
        (name, app, each) for name in GROUPS for app in APPS for each in codenames((app,), name)
    }
    return held == wanted


def codenames(of: tuple[str, ...], group: str) -> list[str]:
    """The permissions that members of a group have on the models of these apps."""
    rows = ((*label.split("."), rights.get(group, ())) for label, rights in RIGHTS.items())
    return [f"{action}_{model}" for app, model, actions in rows if app in of for action in actions]
