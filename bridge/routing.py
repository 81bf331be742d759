"""A model name -> where the request goes. Pure: reads one immutable `Routes`, decides, explains.

The first rule that fits decides:

    1. an alias with exactly this name
    2. an alias that is a glob, the most specific first (the one with the most fixed
       characters, not counting what all Claude names share)
    3. a model that a backend listed, spelled exactly so, else the only one that differs by case
    4. the alias ``*``, which catches what nobody knows
    5. a backend whose list is not known takes any name
    6. 404, with the closest names

Names are also looked up without the ``[1m]`` that Claude Code appends for a large window and
without a leading ``anthropic/``. There is no other guessing: a request for one model is never
answered by another that merely sounds like it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from bridge.translation.errors import ApiError
from bridge.translation.profile import ModelFacts, Profile

MAX_SUGGESTIONS = 20
CATCH_ALL = "*"
_COMMON = re.compile("anthropic/|claude|-")
NO_BACKEND = "No backend is enabled in this gateway"
_WINDOW_SUFFIX = re.compile(r"\[\d+[km]\]$", re.I)


@dataclass(frozen=True, slots=True)
class Backend:
    """One OpenAI-compatible server. `url` ends in its version folder, without a slash.

    models   what its list holds, or None while the list is unknown
    key      the operator's credential, or "" where the caller's is used
    """

    id: int
    name: str
    url: str
    profile: Profile
    key: str = field(default="", repr=False)
    auth_header: str = "authorization"
    timeout: float = 600.0
    models: Mapping[str, ModelFacts] | None = None

    @property
    def host(self) -> str:
        """Host and port, which no message to a client may name."""
        return urlsplit(self.url).netloc

    @property
    def is_demo(self) -> bool:
        return self.url.startswith("demo:")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name, or a glob over names, that stands for a model of a backend."""

    pattern: str
    backend: str
    model: str

    @property
    def is_glob(self) -> bool:
        return any(mark in self.pattern for mark in "*?[")

    @property
    def weight(self) -> tuple[int, int]:
        """How specific a glob is: its fixed characters, first without what every name shares.

        So `*haiku*` is more specific than `claude-*`.
        """
        fixed = re.sub(r"\[[^\]]*\]|[*?]", "", self.pattern.lower())
        return len(_COMMON.sub("", fixed)), len(fixed)


@dataclass(frozen=True, slots=True)
class ToolName:
    """A backend's name for a tool and the client's, for models that fit the pattern."""

    backend_name: str
    client_name: str
    model_pattern: str = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: a backend, the name that it knows, and what is known of the model."""

    backend: Backend
    model: str
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class Routes:
    """All that routing reads. Backends in the order in which they are asked."""

    backends: tuple[Backend, ...] = ()
    aliases: tuple[Alias, ...] = ()
    tool_names: tuple[ToolName, ...] = ()
    repair_case: bool = True

    def backend(self, name: str) -> Backend | None:
        return next((b for b in self.backends if b.name == name), None)


def resolve(routes: Routes, name: str) -> list[Target]:
    """The targets for a model name, best first. Raises a 404 that names what there is."""
    if not routes.backends:
        raise ApiError(503, NO_BACKEND)
    for spelling in _spellings(name):
        if target := _by_alias(routes, spelling) or _by_list(routes, spelling):
            return [target]
    for alias in routes.aliases:
        if alias.pattern == CATCH_ALL and (target := _aliased(routes, alias)):
            return [target]
    unlisted = next((b for b in routes.backends if b.models is None), None)
    if unlisted is not None:
        model = _WINDOW_SUFFIX.sub("", name)
        return [Target(unlisted, model, ModelFacts(model))]
    raise unknown_model(routes, name)


def _spellings(name: str) -> Iterator[str]:
    plain = _WINDOW_SUFFIX.sub("", name)
    yield from dict.fromkeys((name, plain, plain.removeprefix("anthropic/")))


def _by_alias(routes: Routes, name: str) -> Target | None:
    exact = [a for a in routes.aliases if a.pattern == name]
    globs = [a for a in routes.aliases if a.is_glob and a.pattern != CATCH_ALL]
    globs.sort(key=lambda a: a.weight, reverse=True)
    fitting = exact + [a for a in globs if fnmatchcase(name.lower(), a.pattern.lower())]
    return next((t for a in fitting if (t := _aliased(routes, a))), None)


def _aliased(routes: Routes, alias: Alias) -> Target | None:
    backend = routes.backend(alias.backend)
    if backend is None:
        return None
    found = _listed(backend, alias.model, routes.repair_case)
    return found or Target(backend, alias.model, ModelFacts(alias.model))


def _by_list(routes: Routes, name: str) -> Target | None:
    for repair_case in (False, True) if routes.repair_case else (False,):
        for backend in routes.backends:
            if target := _listed(backend, name, repair_case):
                return target
    return None


def _listed(backend: Backend, name: str, repair_case: bool) -> Target | None:
    models = backend.models or {}
    if name in models:
        return Target(backend, name, models[name])
    if repair_case:
        wanted = name.lower()
        same = [m for m in models if m.lower() == wanted]
        if len(same) == 1:
            return Target(backend, same[0], models[same[0]])
    return None


def tool_names(routes: Routes, model: str) -> dict[str, str]:
    """Backend tool name -> client tool name, for one model; a narrower pattern wins."""
    rows = sorted(routes.tool_names, key=lambda row: len(row.model_pattern.replace("*", "")))
    fits = (row for row in rows if fnmatchcase(model.lower(), row.model_pattern.lower()))
    return {row.backend_name: row.client_name for row in fits}


def names(routes: Routes) -> dict[str, ModelFacts]:
    """Every name that a client may ask for, aliases first, with what is known of its model."""
    known: dict[str, ModelFacts] = {}
    for alias in routes.aliases:
        if not alias.is_glob and (target := _aliased(routes, alias)):
            known[alias.pattern] = target.facts
    for backend in routes.backends:
        for model, facts in (backend.models or {}).items():
            known.setdefault(model, facts)
    return known


def unknown_model(routes: Routes, name: str) -> ApiError:
    """The 404 for a name that nothing fits. Claude Code shows its own text, SDK users this one."""
    closest = suggestions(name, names(routes))
    listing = f"\nAvailable models: {', '.join(closest)}" if closest else ""
    return ApiError(404, f"model: {name}{listing}")


def suggestions(name: str, known: Iterable[str]) -> list[str]:
    """Known names, the most similar first, at most 20."""
    wanted = name.lower()

    def similarity(candidate: str) -> float:
        return difflib.SequenceMatcher(None, wanted, candidate.lower()).quick_ratio()

    return sorted(known, key=similarity, reverse=True)[:MAX_SUGGESTIONS]
