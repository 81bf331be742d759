"""What routing reads and gives: backends, aliases with their targets, and the route. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bridge.routing import globs
from bridge.routing.conditions import ALWAYS, Conditions
from bridge.translation.facts import Fact
from bridge.translation.profiles import ModelFacts, Profile
from bridge.translation.request import overrides
from bridge.translation.request.overrides import Overrides

CATCH_ALL = "*"
_COMMON = re.compile("anthropic/|claude|-")


@dataclass(frozen=True, slots=True)
class LearntRow:
    """A fact that a backend's answers taught, and the row that keeps it."""

    id: int
    fact: Fact


@dataclass(frozen=True, slots=True)
class BackendConfig:
    """One OpenAI-compatible server. `url` ends in its version folder, without a slash.

    models   what its list holds, or None while the list is unknown
    model_facts  what is known of models, listed or not
    key      the operator's credential, or "" where the caller's is used
    idle     longest silence in a running stream, None for the general limit
    breaker  "automatic", or "open" or "closed" when its operator forced it
    broken   why it cannot be called as it is configured; "" when it can
    prefers_own_cost   what it reports as a request's cost goes before any price
    sets_family  the operator named its family, so that nothing learnt changes it
    learnt   what its answers taught, by model; "" for the whole server
    lower_case   the names in `models` by their lower case
    """

    id: int
    name: str
    url: str
    profile: Profile
    key: str = field(default="", repr=False)
    auth_header: str = "authorization"
    timeout: float = 600.0
    models: Mapping[str, ModelFacts] | None = None
    model_facts: Mapping[str, ModelFacts] = field(default_factory=dict)
    position: int = 0
    weight: int = 1
    idle: float | None = None
    breaker: str = "automatic"
    broken: str = ""
    prefers_own_cost: bool = False
    sets_family: bool = False
    learnt: Mapping[str, tuple[LearntRow, ...]] = field(default_factory=dict)
    lower_case: Mapping[str, list[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names: dict[str, list[str]] = {}
        for name in self.models or ():
            names.setdefault(name.lower(), []).append(name)
        object.__setattr__(self, "lower_case", names)

    @property
    def label(self) -> str:
        return self.name

    @property
    def host(self) -> str:
        """Host and port, which no message to a client may name."""
        return urlsplit(self.url).netloc

    @property
    def is_demo(self) -> bool:
        return self.url.startswith("demo:")


@dataclass(frozen=True, slots=True)
class WeightedTarget:
    """One of the models that an alias stands for."""

    backend: str
    model: str
    weight: int = 1
    position: int = 0
    conditions: Conditions = ALWAYS

    @property
    def label(self) -> str:
        return f"{self.backend} {self.model}"


@dataclass(frozen=True, slots=True)
class Alias:
    """A name, or a glob over names, and the models that it stands for."""

    pattern: str
    choices: tuple[WeightedTarget, ...]
    overrides: Overrides = overrides.NONE
    id: int = 0

    @property
    def is_glob(self) -> bool:
        return globs.is_glob(self.pattern)

    @property
    def precision(self) -> tuple[int, int]:
        """How specific a glob is: its fixed characters, first without what every name shares.

        So `*haiku*` is more specific than `claude-*`.
        """
        fixed = globs.fixed(self.pattern)
        return len(_COMMON.sub("", fixed)), len(fixed)


@dataclass(frozen=True, slots=True)
class ToolName:
    """A backend's name for a tool and the client's, for models that fit the pattern."""

    backend_name: str
    client_name: str
    model_pattern: str = "*"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes: a backend, the name that it knows, and what is known of the model.

    choice   what the alias says of it; None where no alias led here
    """

    backend: BackendConfig
    model: str
    facts: ModelFacts
    choice: WeightedTarget | None = None

    @property
    def backend_name(self) -> str:
        return self.backend.name

    @property
    def weight(self) -> int:
        return (self.choice or self.backend).weight

    @property
    def position(self) -> int:
        return (self.choice or self.backend).position

    @property
    def conditions(self) -> Conditions:
        return self.choice.conditions if self.choice else ALWAYS

    @property
    def is_listed(self) -> bool:
        """False where the backend's list is known and lacks the model."""
        return self.backend.models is None or self.model in self.backend.models

    @property
    def learns_family(self) -> bool:
        """Whether the backend's family is neither set for it nor known by its address or list."""
        return not self.backend.sets_family and self.backend.profile.name == "generic"


@dataclass(frozen=True, slots=True)
class Routes:
    """All that routing reads. Backends in the order in which they are asked.

    globs   aliases for many names, the most specific first, without the one for all names
    """

    backends: tuple[BackendConfig, ...] = ()
    aliases: tuple[Alias, ...] = ()
    tool_names: tuple[ToolName, ...] = ()
    repair_case: bool = True
    globs: tuple[Alias, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        wide = (alias for alias in self.aliases if alias.is_glob and alias.pattern != CATCH_ALL)
        ordered = sorted(wide, key=lambda alias: alias.precision, reverse=True)
        object.__setattr__(self, "globs", tuple(ordered))

    def backend(self, name: str) -> BackendConfig | None:
        return next((b for b in self.backends if b.name == name), None)


@dataclass(frozen=True, slots=True)
class Route:
    """The answer: `targets`, best first and at least one, and how it was found.

    name    the spelling of the requested name that decided
    alias   pattern of the alias that decided, "" for none
    steps   what was decided, one short sentence each
    """

    targets: tuple[Target, ...]
    steps: tuple[str, ...]
    alias: str = ""
    overrides: Overrides = overrides.NONE
    name: str = ""
