"""The kinds of rows whose endpoints are alike. A new kind is a new row of RESOURCES."""

from __future__ import annotations

from typing import Any

import msgspec

from bridge.admin_api import structs
from bridge.admin_api.rows import Readers, Resource
from bridge.models import (
    AliasTarget,
    Backend,
    DiscoveredModel,
    GroupMapping,
    ModelAlias,
    Origin,
    PersonLimits,
    Price,
    Team,
    ToolNameMap,
    WarningRule,
)


def _target() -> Any:
    """One target of an alias; what it leaves out has its default."""
    members = structs.members_of(AliasTarget, AliasTarget.LISTS)
    needed = {"backend": str, "model": members.pop("model")}
    return msgspec.defstruct(
        "Target",
        [
            *needed.items(),
            *((name, kind | msgspec.UnsetType, msgspec.UNSET) for name, kind in members.items()),
        ],
        namespace={"__doc__": (AliasTarget.__doc__ or "").partition("\n")[0]},
        module=__name__,
        kw_only=True,
        forbid_unknown_fields=True,
    )


class Known(msgspec.Struct, kw_only=True):
    """What counts of a model: the operator's word, else the probe's, else the list's."""

    context: int | None
    max_output: int | None
    vision: bool | None
    tools: bool | None
    reasoning: bool | None


def _known(row: DiscoveredModel) -> Known:
    return Known(**{name: row.fact(name) for name in DiscoveredModel.FACTS})


_ORIGIN: Readers = {
    "origin": (structs.column_type(Backend, "origin"), lambda row: Origin(row.origin).value)
}
BACKENDS = Resource(Backend, "Backend", "/backends/{name}", read_only=_ORIGIN)
MODELS = Resource(
    DiscoveredModel,
    "Model",
    "/models/{backend}/{model}",
    read_only={"listed": (bool, lambda row: row.listed), "known": (Known, _known)},
    fixed=("backend", "model"),
    related=("backend",),
)
TARGETS: Any = list[_target()]  # type: ignore[misc]
ALIASES = Resource(
    ModelAlias,
    "Alias",
    "/aliases/{pattern}",
    parts={"targets": (TARGETS, lambda row: [each.document() for each in row.targets.all()])},
    read_only=_ORIGIN,
    required=("targets",),
    prefetched=("targets__backend",),
)
TOOL_NAMES = Resource(
    ToolNameMap, "ToolName", "/tool_names/{backend_name}/{model}", read_only=_ORIGIN
)
PRICES = Resource(Price, "Price", "/prices/{backend}/{model}", related=("backend",))
TEAMS = Resource(
    Team,
    "Team",
    "/teams/{name}",
    parts={"members": (list[str], lambda row: sorted(one.username for one in row.people.all()))},
    prefetched=("people",),
)
PERSON_LIMITS = Resource(
    PersonLimits,
    "PersonLimits",
    "/person_limits/{person}",
    fixed=("person",),
    related=("user",),
)
GROUP_MAPPINGS = Resource(
    GroupMapping, "GroupMapping", "/group_mappings/{team}/{group}", related=("team",)
)
WARNING_RULES = Resource(
    WarningRule,
    "WarningRule",
    "/warning_rules/{name}",
    read_only={"destination": (str, lambda row: row.destination)},
)
RESOURCES = (
    BACKENDS,
    MODELS,
    ALIASES,
    TOOL_NAMES,
    PRICES,
    TEAMS,
    PERSON_LIMITS,
    GROUP_MAPPINGS,
    WARNING_RULES,
)
