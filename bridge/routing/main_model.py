"""Which name to suggest to a client that has not chosen a model, and what Claude's names mean here.

Pure: reads one immutable `Routes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bridge.routing import resolve
from bridge.routing.promised_facts import promised
from bridge.routing.types import Alias, Route, Routes, Target
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.overrides import NONE as NO_OVERRIDES

FAMILIES = ("opus", "sonnet", "fable", "haiku")
"""What Claude Code builds its own model names from."""
_ANY_VERSION = "claude-{family}-0"
"""Like every name of the family and equal to none, so that only a rule for all of them fits."""

ALIAS, MODEL, MADE = 2, 1, 0
"""An alias, or a glob that adds to its model; a model's own name; a name made for a plain glob."""

Allows = Callable[[str], bool]
"""Whether a caller may use a model of this name."""


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


def everything(name: str) -> bool:
    """What a caller without limits may use."""
    return True


def main_model(routes: Routes, allows: Allows = everything) -> UsableName | None:
    """The name for a client's conversation; None where no name is known that the caller may use.

    A model that cannot call tools comes last. Before all others comes what the operator's alias for
    Claude's names leads to, then other aliases, then the model with the largest window.
    """
    main_target = _claude_target(routes, allows)

    def rank(usable: UsableName) -> tuple[Any, ...]:
        facts = usable.facts
        return (
            facts.tools is not False,
            _same(usable.target, main_target),
            usable.precedence,
            facts.tools is True,
            facts.context or 0,
        )

    return max(usable_names(routes, allows), key=rank, default=None)


def usable_names(routes: Routes, allows: Allows = everything) -> Iterator[UsableName]:
    """Every plain name that the caller may ask for: aliases, models, then a name for each glob."""
    exact = {alias.pattern for alias in routes.aliases if not alias.is_glob}
    for name, target in resolve.listing(routes).items():
        if allows(name):
            yield UsableName(name, target, ALIAS if name in exact else MODEL)
    for alias in routes.aliases:
        if (named := _fitting(routes, alias)) and allows(named.name):
            yield named


def caught_families(routes: Routes, allows: Allows = everything) -> frozenset[str]:
    """The families whose names lead somewhere by an alias, or since there is only one model."""
    return frozenset(family for family in FAMILIES if _family_route(routes, family, allows))


def _family_route(routes: Routes, family: str, allows: Allows) -> Route | None:
    name = _ANY_VERSION.format(family=family)
    route = _route(routes, name) if allows(name) else None
    # A backend whose list is not known takes the name as it is, which means nothing to it.
    return route if route and route.targets[0].model != name else None


def _claude_target(routes: Routes, allows: Allows) -> Target | None:
    found = (_family_route(routes, family, allows) for family in ("opus", "sonnet"))
    return next((route.targets[0] for route in found if route), None)


def _same(target: Target, other: Target | None) -> bool:
    return other is not None and (target.backend.name, target.model) == (
        other.backend.name,
        other.model,
    )


def _route(routes: Routes, name: str) -> Route | None:
    try:
        return resolve.resolve(routes, name)
    except ApiError:
        return None


def _fitting(routes: Routes, alias: Alias) -> UsableName | None:
    """A readable name that fits a glob and leads by it: `claude-GLM-4.5-Air` for `claude-*`."""
    if not alias.is_glob or re.search(r"[?[]", alias.pattern) or alias.pattern == resolve.CATCH_ALL:
        return None
    if (target := resolve.main_target(routes, alias)) is None:
        return None
    before, _, after = alias.pattern.partition("*")
    model = target.model.rpartition("/")[2]
    name = _joined(_joined(before, model), after.replace("*", ""))
    route = _route(routes, name)
    if route is None or route.alias != alias.pattern:
        return None
    adds = len(alias.choices) > 1 or alias.overrides != NO_OVERRIDES
    return UsableName(name, promised(route.targets), ALIAS if adds else MADE)


def _joined(left: str, right: str) -> str:
    """With a dash where two words would run into one."""
    touch = left[-1:].isalnum() and right[:1].isalnum()
    return f"{left}-{right}" if touch else left + right
