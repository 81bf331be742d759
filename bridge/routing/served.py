"""Which names a caller may ask for and would be served by: what a list of models holds. Pure.

Every name here is looked up as a request by that name would be. A name is listed where it is
served, and each name that is spelled out somewhere is: an alias, a model of a backend's list, a
name that a key is for. A glob spells none out; where a key is limited, one name is made for each
glob alias that its patterns open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain

from bridge.routing import globs, resolve
from bridge.routing.types import CATCH_ALL, Alias, Route, Routes, Target
from bridge.translation.errors.api_error import ApiError

_OTHER_MARKS = re.compile(r"[?[]")


def every_target(target: Target) -> bool:
    """What a caller without a budget may be served by."""
    return True


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller may ask for, and be served by.

    allow_lists   names and globs over them; of each list one must fit
    counts        whether the caller's budget can count what a target uses
    """

    allow_lists: tuple[tuple[str, ...], ...] = ()
    counts: Callable[[Target], bool] = every_target

    @property
    def is_limited(self) -> bool:
        return bool(self.allow_lists)

    @property
    def patterns(self) -> Iterator[str]:
        return chain.from_iterable(self.allow_lists)

    def allows(self, name: str) -> bool:
        return globs.match_each(self.allow_lists, (name,))


EVERYTHING = Access()


def route_of(routes: Routes, name: str, access: Access = EVERYTHING) -> Route:
    """Where a request by this name goes. Raises the 404 where this caller would not be served, and
    the 503 where nobody is."""
    if not routes.backends:
        raise ApiError(503, resolve.NO_BACKEND)
    route = find(routes, name, access)
    if route is None:
        raise resolve.unknown_model(routes, name, access.allows)
    return route


def find(routes: Routes, name: str, access: Access = EVERYTHING) -> Route | None:
    """The same; None where this caller would not be served."""
    route = resolve.lookup(routes, name)
    if route is None or not globs.match_each(access.allow_lists, (name, route.name)):
        return None
    targets = tuple(filter(access.counts, route.targets))
    return replace(route, targets=targets) if targets else None


def exact_names(routes: Routes, access: Access = EVERYTHING) -> dict[str, Route]:
    """Every name that is spelled out somewhere and served, aliases first, with where it leads."""
    spelled = list(resolve.listing(routes))
    own = (pattern for pattern in access.patterns if not globs.is_glob(pattern))
    known = _served(routes, [*spelled, *own], access)
    # A key may be for names with the prefix alone.
    prefixed = [
        resolve.PREFIX + name for name in spelled if access.is_limited and name not in known
    ]
    return known | _served(routes, prefixed, access)


def made_names(
    routes: Routes, access: Access = EVERYTHING, known: Mapping[str, Route] | None = None
) -> dict[str, Route]:
    """A readable name for each glob alias, `claude-GLM-4.5-Air` for `claude-*`, as far as one fits
    and leads by it. For a limited key none where one of the `known` names leads there already."""
    reached = {route.alias for route in (known or {}).values()} if access.is_limited else set()
    wide = (alias for alias in routes.aliases if alias.is_glob and alias.pattern not in reached)
    names = dict(filter(None, (_name_for(routes, alias, access) for alias in wide)))
    return names or _names_of_the_only_model(routes, access, known or {})


def _name_for(routes: Routes, alias: Alias, access: Access) -> tuple[str, Route] | None:
    for name in _fitting(routes, alias, access):
        route = find(routes, name, access)
        if route is not None and route.alias == alias.pattern:
            return name, route
    return None


def _names_of_the_only_model(
    routes: Routes, access: Access, known: Mapping[str, Route]
) -> dict[str, Route]:
    """For a key that is for Claude's names alone, where they lead to the single model."""
    model = resolve.only_model(routes)
    if known or not model:
        return {}
    patterns = filter(globs.is_glob, access.patterns)
    names = [_filled(pattern, model.rpartition("/")[2]) for pattern in patterns]
    routed = _served(routes, filter(None, names), access)
    return {name: route for name, route in routed.items() if not route.alias}


def _served(routes: Routes, names: Iterable[str], access: Access) -> dict[str, Route]:
    routed = ((name, find(routes, name, access)) for name in dict.fromkeys(names))
    return {name: route for name, route in routed if route}


# --- names for globs --------------------------------------------------------------------------


def _fitting(routes: Routes, alias: Alias, access: Access) -> Iterator[str]:
    """Names that fit a glob alias and that the caller may ask for, the most telling first."""
    if (target := resolve.main_target(routes, alias)) is None:
        return
    model = target.model.rpartition("/")[2]
    for name in dict.fromkeys(_filled_in(alias.pattern, model, access.patterns)):
        if name and globs.matches(alias.pattern, name) and access.allows(name):
            yield name


def _filled_in(pattern: str, model: str, allowed: Iterable[str]) -> Iterator[str]:
    if pattern != CATCH_ALL:
        yield _filled(pattern, model)
    for other in filter(globs.is_glob, allowed):
        yield _filled(other, model)
        yield _filled(pattern, globs.fixed(other))
        yield _filled(other, globs.fixed(pattern))


def _filled(pattern: str, word: str) -> str:
    """The glob with a word for its first asterisk; "" for a glob that has more than asterisks."""
    if _OTHER_MARKS.search(pattern):
        return ""
    before, _, after = pattern.partition("*")
    return _joined(_joined(before, word), after.replace("*", ""))


def _joined(left: str, right: str) -> str:
    """With a dash where two words would run into one."""
    touch = left[-1:].isalnum() and right[:1].isalnum()
    return f"{left}-{right}" if touch else left + right
