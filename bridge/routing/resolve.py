"""A model name -> where the request goes. Pure: reads one immutable `Routes`, decides, explains.

The first rule that fits decides:

    1. an alias with exactly this name
    2. an alias that is a glob, the most specific first (the one with the most fixed
       characters, not counting what all Claude names share)
    3. a model that backends listed, spelled exactly so, else the only one that differs by case
    4. the alias ``*``, which catches what nobody knows
    5. a name of Claude, where there is a single model: that one
    6. a backend whose list is not known takes any name
    7. 404, with the closest names

Names are also looked up without the ``[1m]`` that Claude Code appends for a large window and
without a leading ``anthropic/``. There is no other guessing: a request for one model is never
answered by another that merely sounds like it.

What is found is a list, for one model may be had in several places: `shares` puts it in order, the
first is asked, the others are there for when it cannot answer. Each step is noted in plain words.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from bridge.routing import globs
from bridge.routing.conditions import RequestTraits
from bridge.routing.fitting import fitting, overflow
from bridge.routing.groups import taking
from bridge.routing.promised_facts import promised
from bridge.routing.rendezvous import ranked
from bridge.routing.types import (
    CATCH_ALL,
    Alias,
    BackendConfig,
    Route,
    Routes,
    Target,
    WeightedTarget,
)
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import ModelFacts
from bridge.translation.sizes import LONGEST_NAME

MAX_SUGGESTIONS = 20
MAX_COMPARED = 2_000
"""Known names that are compared with an unknown one."""
PREFIX = "anthropic/"
"""Names are looked up without it as well."""
_CLAUDE = "claude-"
NO_BACKEND = "No backend is enabled in this gateway"
NO_TARGET = "model: {name} has no target that takes a request like this one"
ONLY_FOR = "leaves out {name}, which is only for {labels}"
TOO_SMALL = "leaves out {name}: {why}"
COMES_LAST = "{name} comes last, with a shorter answer: {why}"
FITS_NOWHERE = "the prompt fits no window"
_WINDOW_SUFFIX = re.compile(r"\[\d+[km]\]$", re.I)


class NoRouteError(ApiError):
    """No target may be asked; `steps` is how that was decided."""

    def __init__(self, error: ApiError, steps: Iterable[str]) -> None:
        super().__init__(error.status, error.message, error_code=error.error_code)
        self.steps = tuple(steps)


def resolve(
    routes: Routes,
    name: str,
    sticky: str = "",
    allows: Callable[[str], bool] | None = None,
    traits: RequestTraits | None = None,
) -> Route:
    """Where a model name leads. Raises NoRouteError, a 404 that names what there is and the caller
    may use, or the 400 of a prompt that fits no window.

    `sticky` names the conversation: the same one is served by the same target. `allows` says
    whether the caller may use a name; None for one that may use all. Without `traits` neither
    conditions nor windows count.
    """
    search = _Search(routes, sticky, allows, traits)
    try:
        return search.find(name)
    except ApiError as error:
        raise NoRouteError(error, search.steps) from None


def lookup(routes: Routes, name: str) -> Route | None:
    """Where a name leads, whoever asks for it and with what; None for nowhere."""
    return _Search(routes, "").by_rules(name)


def explain(
    routes: Routes, name: str, sticky: str = "", traits: RequestTraits | None = None
) -> tuple[list[str], Route | ApiError]:
    """The steps of the decision, and the route, or the error that a client would get."""
    try:
        route = resolve(routes, name, sticky, None, traits)
    except NoRouteError as error:
        return list(error.steps), error
    return list(route.steps), route


@dataclass(slots=True)
class _Search:
    """One decision under way, with the steps so far."""

    routes: Routes
    sticky: str
    allows: Callable[[str], bool] | None = None
    traits: RequestTraits | None = None
    steps: list[str] = field(default_factory=list)
    spelling: str = ""
    has_unmet: bool = False

    def find(self, name: str) -> Route:
        if not self.routes.backends:
            raise ApiError(503, NO_BACKEND)
        if route := self.by_rules(name):
            return route
        if self.has_unmet:
            raise ApiError(404, NO_TARGET.format(name=name))
        self.steps.append("no alias and no listed model has this name")
        raise unknown_model(self.routes, name, self.allows)

    def by_rules(self, name: str) -> Route | None:
        """The route that the first fitting rule gives."""
        for spelling in spellings(name):
            self.spelling = spelling
            if spelling != name:
                self.steps.append(f"looked up as {spelling}")
            if route := self._by_alias(spelling) or self._by_list(spelling):
                return route
        return self._caught() or self._only_model() or self._unlisted(name)

    def _by_alias(self, name: str) -> Route | None:
        exact = [a for a in self.routes.aliases if a.pattern == name]
        fitting = exact + [a for a in self.routes.globs if globs.matches(a.pattern, name)]
        return next((route for a in fitting if (route := self._aliased(a))), None)

    def _caught(self) -> Route | None:
        caught = (self._aliased(a) for a in self.routes.aliases if a.pattern == CATCH_ALL)
        return next(filter(None, caught), None)

    def _aliased(self, alias: Alias) -> Route | None:
        self.steps.append(f"alias {alias.pattern} fits")
        if labels := alias.overrides.labels():
            self.steps.append(f"it sets {', '.join(labels)}")
        takes = taking(alias.choices, self.traits, self.sticky)
        for choice, unmet in takes.passed:
            name = f"{choice.backend}: {choice.model}"
            self.steps.append(ONLY_FOR.format(name=name, labels=", ".join(unmet)))
        self.has_unmet = self.has_unmet or not takes.taken
        targets = []
        for choice in takes.taken:
            if target := _chosen(self.routes, choice):
                targets.append(target)
            else:
                self.steps.append(f"{choice.backend} is not enabled")
        return self._route(targets, alias) if targets else None

    def _by_list(self, name: str) -> Route | None:
        for repair_case in (False, True) if self.routes.repair_case else (False,):
            backends = ranked(self.routes.backends, self.sticky)
            found = [_listed(backend, name, repair_case) for backend in backends]
            if targets := [target for target in found if target]:
                self.steps.append(
                    "listed, but for upper and lower case" if repair_case else "listed"
                )
                return self._route(targets)
        return None

    def _only_model(self) -> Route | None:
        """Claude Code asks for names of Claude beside the one that it was set up with."""
        if not self.spelling.lower().startswith(_CLAUDE):
            return None
        model = only_model(self.routes)
        if not model:
            return None
        self.steps.append("a name of Claude; there is only one model")
        backends = ranked(self.routes.backends, self.sticky)
        found = [_listed(backend, model, False) for backend in backends]
        return self._route([target for target in found if target])

    def _unlisted(self, name: str) -> Route | None:
        self.spelling = model = _WINDOW_SUFFIX.sub("", name)
        if not (backends := [b for b in self.routes.backends if b.models is None]):
            return None
        self.steps.append("not listed; a backend whose list is not known takes any name")
        return self._route([_unheard_of(b, model) for b in ranked(backends, self.sticky)])

    def _route(self, targets: Sequence[Target], alias: Alias | None = None) -> Route:
        if self.traits is not None and self.traits.must_fit:
            targets = self._fitting(targets, self.traits)
        names = ", then ".join(map(_named, targets))
        steps = (*self.steps, f"goes to {names}")
        if alias is None:
            return Route(tuple(targets), steps, name=self.spelling)
        return Route(tuple(targets), steps, alias.pattern, alias.overrides, self.spelling)

    def _fitting(self, targets: Sequence[Target], traits: RequestTraits) -> Sequence[Target]:
        """The targets whose window the prompt fits. Raises the 400 where it fits none."""
        found = fitting(traits, targets)
        self.steps += [TOO_SMALL.format(name=_named(t), why=why) for t, why in found.passed]
        self.steps += [COMES_LAST.format(name=_named(t), why=why) for t, why in found.last]
        if not found.targets:
            self.steps.append(FITS_NOWHERE)
            raise overflow(traits, targets)
        return found.targets


def only_model(routes: Routes) -> str:
    """The model that all lists hold and no other; "" where there are several, or may be."""
    if any(backend.models is None for backend in routes.backends):
        return ""
    models = {name for backend in routes.backends for name in backend.models or ()}
    return models.pop() if len(models) == 1 else ""


def _named(target: Target) -> str:
    return f"{target.backend.name}: {target.model}"


def spellings(name: str) -> Iterator[str]:
    """The names under which a requested name is looked up, in this order."""
    plain = _WINDOW_SUFFIX.sub("", name)
    yield from dict.fromkeys((name, plain, plain.removeprefix(PREFIX)))


def _chosen(routes: Routes, choice: WeightedTarget) -> Target | None:
    backend = routes.backend(choice.backend)
    if backend is None:
        return None
    found = _listed(backend, choice.model, routes.repair_case)
    return replace(found or _unheard_of(backend, choice.model), choice=choice)


def _unheard_of(backend: BackendConfig, model: str) -> Target:
    """A model that no list has, with what an operator or a probe may have set."""
    return Target(backend, model, backend.model_facts.get(model) or ModelFacts(model))


def _listed(backend: BackendConfig, name: str, repair_case: bool) -> Target | None:
    models = backend.models or {}
    if name in models:
        return Target(backend, name, models[name])
    if repair_case:
        same = backend.lower_case.get(name.lower(), ())
        if len(same) == 1:
            return Target(backend, same[0], models[same[0]])
    return None


def tool_names(routes: Routes, model: str) -> dict[str, str]:
    """Backend tool name -> client tool name, for one model; a narrower pattern wins."""
    rows = sorted(routes.tool_names, key=lambda row: len(row.model_pattern.replace("*", "")))
    fits = (row for row in rows if globs.matches(row.model_pattern, model))
    return {row.backend_name: row.client_name for row in fits}


def names(routes: Routes) -> dict[str, ModelFacts]:
    """Every name that a client may ask for, aliases first, with what a client may rely on."""
    return {name: target.facts for name, target in listing(routes).items()}


def listing(routes: Routes) -> dict[str, Target]:
    """The same, with where the main conversation of each leads first."""
    return {name: promised(targets) for name, targets in _targets_by_name(routes).items()}


def known_names(routes: Routes) -> Collection[str]:
    """The same names alone."""
    return _targets_by_name(routes).keys()


def _targets_by_name(routes: Routes) -> dict[str, list[Target]]:
    plain = (alias for alias in routes.aliases if not alias.is_glob)
    known = {a.pattern: targets for a in plain if (targets := targets_of(routes, a))}
    listed: dict[str, list[Target]] = {}
    for backend in routes.backends:
        for model, facts in (backend.models or {}).items():
            if model not in known:
                listed.setdefault(model, []).append(Target(backend, model, facts))
    return known | listed


def main_target(routes: Routes, alias: Alias) -> Target | None:
    """Where main conversations go first; None where no target's backend is enabled."""
    targets = targets_of(routes, alias)
    return promised(targets) if targets else None


def targets_of(routes: Routes, alias: Alias) -> list[Target]:
    """The alias' targets at backends that are enabled, as they are stored."""
    found = (_chosen(routes, choice) for choice in alias.choices)
    return [target for target in found if target]


def unknown_model(
    routes: Routes, name: str, allows: Callable[[str], bool] | None = None
) -> ApiError:
    """The 404 for a name that nothing fits, or whose target its backend does not know. Claude Code
    shows its own text, SDK users this one."""
    others = (known for known in known_names(routes) if known != name)
    closest = suggestions(name, filter(allows, others))
    listing = f"\nAvailable models: {', '.join(closest)}" if closest else ""
    return ApiError(404, f"model: {name}{listing}")


def suggestions(name: str, known: Iterable[str]) -> list[str]:
    """Known names, the most similar first, at most 20."""
    matcher = difflib.SequenceMatcher(None, "", name[:LONGEST_NAME].lower())

    def similarity(candidate: str) -> float:
        matcher.set_seq1(candidate[:LONGEST_NAME].lower())
        return matcher.quick_ratio()

    compared = islice(known, MAX_COMPARED)
    return sorted(compared, key=similarity, reverse=True)[:MAX_SUGGESTIONS]
