"""Users who are made when they sign in for the first time.

A name or an e-mail address that somebody here has already makes nobody that user: whoever can
choose a name at the provider would get in as whom they like. An admin alone links the two.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

LONGEST_PART = 150
"""Characters of a first or last name, as Django's column has them."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signs in, as the provider says. `username` and `email` may be empty; an `email` here is
    not one that the provider calls unverified."""

    username: str
    email: str = ""
    first_name: str = ""
    last_name: str = ""


class UnusableNameError(ValueError):
    """The provider sent no name that a user can have here."""


class NameTakenError(ValueError):
    """A user of this name is here already, or one that differs by case alone."""


def username_for(identity: Identity) -> str:
    """The first of name and address that a user can have. Raises UnusableNameError."""
    for name in (identity.username, _usable_email(identity.email)):
        try:
            User(username=name).clean_fields(exclude={"password"})
        except ValidationError:
            continue
        return str(User.normalize_username(name))
    raise UnusableNameError


def new_user(username: str, identity: Identity) -> User:
    """A user without password and role, saved. Raises NameTakenError."""
    if User.objects.filter(username__iexact=username).exists():
        raise NameTakenError(username)
    user = User(username=username, **_columns(identity))
    user.set_unusable_password()
    user.save()
    return user


def refresh(user: User, identity: Identity) -> None:
    """Names and address become what the provider says now. The username stays: keys, reports and
    the history know the person by it."""
    changed = [
        column
        for column, value in _columns(identity).items()
        if value and getattr(user, column) != value
    ]
    for column in changed:
        setattr(user, column, _columns(identity)[column])
    if changed:
        user.save(update_fields=changed)


def _columns(identity: Identity) -> dict[str, str]:
    return {
        "email": _usable_email(identity.email),
        "first_name": _name(identity.first_name),
        "last_name": _name(identity.last_name),
    }


def _usable_email(text: str) -> str:
    try:
        validate_email(text)
    except ValidationError:
        return ""
    return text if len(text) <= 254 else ""


def _name(text: str) -> str:
    return text[:LONGEST_PART] if text.isprintable() else ""
