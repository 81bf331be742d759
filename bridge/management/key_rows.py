"""What commands about keys share: finding them by name, people and teams by theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from bridge.models import ApiKey
from bridge.models.people.keys import KeyKind
from bridge.models.people.teams import person_called, team_called

T = TypeVar("T")


def issued(names: Sequence[str]) -> list[ApiKey]:
    """The issued keys of these names, in their order. CommandError: one is not known."""
    found = {row.name: row for row in ApiKey.objects.filter(name__in=names, kind=KeyKind.ISSUED)}
    if unknown := [name for name in names if name not in found]:
        raise CommandError(f"no key is called {', '.join(unknown)}")
    return [found[name] for name in dict.fromkeys(names)]


def holders(options: dict[str, Any]) -> dict[str, Any]:
    """Columns of a key, of the options --person and --team. CommandError: nobody is called so."""
    finders: dict[str, Callable[[Any], Any]] = {"person": person_called, "team": team_called}
    return {
        name: _found(name, find, options[name])
        for name, find in finders.items()
        if options[name] is not None
    }


def _found(option: str, find: Callable[[Any], T], name: str) -> T:
    try:
        return find(name)
    except ValidationError as error:
        raise CommandError(f"--{option}: {' '.join(error.messages)}") from None
