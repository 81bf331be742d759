"""People: the users of Django, with their roles. Only admins change them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from msgspec import UNSET, Meta, UnsetType

from bridge.accounts import roles
from bridge.accounts.role_changes import LAST_ADMIN, admins_without, give
from bridge.admin_api import conditions
from bridge.admin_api.listing import ListQuery, page, page_struct
from bridge.admin_api.reading import document_of, invalid, refused
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.admin_api.structs import Moment
from bridge.models import Document
from bridge.translation.errors.api_error import ApiError

Role = Literal["", "auditor", "operator", "admin"]
COLUMNS = {
    "username": "username",
    "email": "email",
    "first_name": "first_name",
    "last_name": "last_name",
    "active": "is_active",
}
DEFAULTS: Document = {"email": "", "first_name": "", "last_name": "", "active": True, "role": ""}
LABEL = "auth.user"
PATH = "/people/{username}"


class Person(msgspec.Struct, kw_only=True):
    """A user. `teams`: those that name the person as a member."""

    username: str
    email: str
    first_name: str
    last_name: str
    active: bool
    role: Role
    teams: list[str]
    last_login: Moment | None
    date_joined: Moment


class PersonChange(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a person. A new one has no password: an admin sets one in the admin."""

    username: Annotated[str, Meta(max_length=150)] | UnsetType = UNSET
    email: Annotated[str, Meta(max_length=254)] | UnsetType = UNSET
    first_name: Annotated[str, Meta(max_length=150)] | UnsetType = UNSET
    last_name: Annotated[str, Meta(max_length=150)] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    role: Role | UnsetType = UNSET


class PersonQuery(ListQuery, forbid_unknown_fields=True, kw_only=True):
    """Which people: those of one team."""

    team: str = ""


PersonPage = page_struct("PersonPage", Person)


def _listed(call: ApiCall) -> ApiReply:
    found = _users()
    if call.query.team:
        found = found.filter(teams__name=call.query.team)
    return ApiReply(page(found, call.query, _shown))


def _read(call: ApiCall) -> ApiReply:
    user = _get(call)
    known = conditions.etag(_document(user))
    if conditions.is_unchanged(call, known):
        return ApiReply(status=304, headers={"etag": known})
    return _reply(user)


def _replace(call: ApiCall) -> ApiReply:
    username = call.path["username"]
    user = _locked(username)
    conditions.check(call, conditions.etag(_document(user)) if user else None)
    given = document_of(call.body)
    if given.get("username", username) != username:
        raise invalid("username", "expected the one in the path")
    saved = _write(user, {**DEFAULTS, **given, "username": username})
    return _reply(saved, 200 if user else 201)


def _patch(call: ApiCall) -> ApiReply:
    user = _get(call, is_locked=True)
    conditions.check(call, conditions.etag(_document(user)))
    given = document_of(call.body)
    name = given.get("username", user.username)
    if User.objects.filter(username=name).exclude(pk=user.pk).exists():
        raise ApiError(409, f"username: another one is called {name}")
    return _reply(_write(user, {**_document(user), **given}))


def _remove(call: ApiCall) -> ApiReply:
    user = _get(call, is_locked=True)
    before = _document(user)
    conditions.check(call, conditions.etag(before))
    _check_admin_is_left(user)
    user.delete()
    return ApiReply(status=204)


ROUTES = (
    ApiRoute(
        "GET",
        "/people",
        roles.lowest(LABEL, "view"),
        "List people",
        _listed,
        PersonPage,
        PersonQuery,
    ),
    ApiRoute("GET", PATH, roles.lowest(LABEL, "view"), "Read one person", _read, Person),
    ApiRoute(
        "PUT",
        PATH,
        roles.lowest(LABEL, "add"),
        "Make or replace a person",
        _replace,
        Person,
        body=PersonChange,
        statuses=(200, 201),
    ),
    ApiRoute(
        "PATCH",
        PATH,
        roles.lowest(LABEL, "change"),
        "Change members of a person",
        _patch,
        Person,
        body=PersonChange,
    ),
    ApiRoute(
        "DELETE",
        PATH,
        roles.lowest(LABEL, "delete"),
        "Delete a person, whose keys end",
        _remove,
        statuses=(204,),
    ),
)


# --- what they share ------------------------------------------------------------------------------


def _users() -> QuerySet[User]:
    return User.objects.prefetch_related("groups", "teams").distinct()


def _locked(username: str) -> User | None:
    """Until the end of the transaction nobody else changes this user, or which admins there are.

    All are locked at once and in one order: what locks one after the other waits for ever.
    """
    wanted = Q(username=username) | Q(is_superuser=True, is_active=True)
    rows = list(User.objects.select_for_update(no_key=True).filter(wanted).order_by("pk"))
    found = [row.pk for row in rows if row.username == username]
    return _users().filter(pk__in=found).first()


def _get(call: ApiCall, *, is_locked: bool = False) -> User:
    """Raises a 404."""
    username = call.path["username"]
    user = _locked(username) if is_locked else _users().filter(username=username).first()
    if user is None:
        raise ApiError(404, f"people: nobody is called {username[:200]}")
    return user


def _document(user: User) -> Document:
    """What can be set of a user, and stands in the history."""
    members = {name: getattr(user, column) for name, column in COLUMNS.items()}
    return {**members, "role": roles.role_of(user)}


def _shown(user: User) -> Person:
    teams = sorted(team.name for team in user.teams.all())
    return Person(
        **_document(user), teams=teams, last_login=user.last_login, date_joined=user.date_joined
    )


def _reply(user: User, status: int = 200) -> ApiReply:
    found = _users().get(pk=user.pk)
    return ApiReply(_shown(found), status, {"etag": conditions.etag(_document(found))})


def _write(user: User | None, document: Document) -> User:
    """Make the user what the document says. Raises a 400 and a 409."""
    before = _document(user) if user else None
    if user is None:
        user = User()
        user.set_unusable_password()
    if document["role"] != roles.ADMIN or not document["active"]:
        _check_admin_is_left(user)
    for name, column in COLUMNS.items():
        setattr(user, column, document[name])
    try:
        user.full_clean(exclude={"password"})
    except ValidationError as error:
        raise refused(error, COLUMNS) from None
    if before != document:
        user.save()
        give(user, document["role"])
    return user


def _check_admin_is_left(user: User) -> None:
    """Raises a 409. Whoever is no admin may be changed at will."""
    is_admin = user.is_superuser and user.is_active
    if is_admin and not admins_without([user.pk]):
        raise ApiError(409, LAST_ADMIN)
