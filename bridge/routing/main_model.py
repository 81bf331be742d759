"""Which name to suggest to a client that has not chosen a model, and what Claude's names mean here.

Pure: reads one immutable `Routes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bridge.routing import served
from bridge.routing.promised_facts import promised
from bridge.routing.served import EVERYTHING, Access
from bridge.routing.types import Alias, Route, Routes, Target
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.overrides import NONE as NO_OVERRIDES

FAMILIES = ("opus", "sonnet", "fable", "haiku")
"""What Claude Code builds its own model names from."""
_ANY_VERSION = "claude-{family}-0"
"""Like every name of the family and equal to none, so that only a rule for all of them fits."""

ALIAS, MODEL, MADE = 2, 1, 0
"""An alias, or a glob that adds to its model; a model's own name; a name made for a plain glob."""


@dataclass(frozen=True, slots=True)
class UsableName:
    """A name that a caller may ask for, and the target that it leads to first.

    precedence  `ALIAS`, `MODEL` or `MADE`: which of several names for a target to suggest
    """

    name: str
    target: Target
    precedence: int

    @property
    def facts(self) -> ModelFacts:
        return self.target.facts


def main_model(routes: Routes, access: Access = EVERYTHING) -> UsableName | None:
    """The name for a client's conversation; None where no name is known that the caller may use.

    A model that cannot call tools comes last. Before all others comes what the operator's alias for
    Claude's names leads to, then other aliases, then the model with the largest window.
    """
    main_target = _claude_target(routes, access)

    def rank(usable: UsableName) -> tuple[Any, ...]:
        facts = usable.facts
        return (
            facts.tools is not False,
            _same(usable.target, main_target),
            usable.precedence,
            facts.tools is True,
            facts.context or 0,
        )

    return max(usable_names(routes, access), key=rank, default=None)


def usable_names(routes: Routes, access: Access = EVERYTHING) -> Iterator[UsableName]:
    """Every plain name that the caller may ask for: aliases, models, then a name for each glob."""
    adding = {alias.pattern for alias in routes.aliases if _adds(alias)}
    known = served.exact_names(routes, access)
    made = served.made_names(routes, access, known)
    for names, plain in ((known, MODEL), (made, MADE)):
        for name, route in names.items():
            yield UsableName(
                name, promised(route.targets), ALIAS if route.alias in adding else plain
            )


def _adds(alias: Alias) -> bool:
    return not alias.is_glob or len(alias.choices) > 1 or alias.overrides != NO_OVERRIDES


def caught_families(routes: Routes, access: Access = EVERYTHING) -> frozenset[str]:
    """The families whose names lead somewhere by an alias, or since there is only one model."""
    return frozenset(family for family in FAMILIES if _family_route(routes, family, access))


def _family_route(routes: Routes, family: str, access: Access) -> Route | None:
    name = _ANY_VERSION.format(family=family)
    route = served.find(routes, name, access)
    # A backend whose list is not known takes the name as it is, which means nothing to it.
    return route if route and route.targets[0].model != name else None


def _claude_target(routes: Routes, access: Access) -> Target | None:
    found = (_family_route(routes, family, access) for family in ("opus", "sonnet"))
    return next((route.targets[0] for route in found if route), None)


def _same(target: Target, other: Target | None) -> bool:
    return other is not None and (target.backend.name, target.model) == (
        other.backend.name,
        other.model,
    )
