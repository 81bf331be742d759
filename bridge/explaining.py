"""Routing explained to an operator: the decision that a request would meet now, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from bridge import operations, routing, snapshot
from bridge.models import Backend, ConfigVersion
from bridge.routing import Route, Target


@dataclass(frozen=True, slots=True)
class Stop:
    """One target of a route, in the order in which they are asked."""

    target: Target
    standing: operations.Standing | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided; `error` is what a client would read if nothing was found."""

    steps: tuple[str, ...]
    stops: tuple[Stop, ...] = ()
    alias: str = ""
    overrides: tuple[str, ...] = ()
    error: str = ""

    @property
    def target(self) -> Target | None:
        return self.stops[0].target if self.stops else None


def decide(name: str, session: str = "") -> Decision:
    """Where a request for this name would go now, by the rows as they are."""
    steps, found = routing.explain(_routes(), name, session)
    if not isinstance(found, Route):
        return Decision(tuple(steps), error=found.message)
    rows = {row.pk: row for row in Backend.objects.select_related("breaker")}
    stops = tuple(
        Stop(t, operations.standing(rows[t.backend.id]) if t.backend.id in rows else None)
        for t in found.targets
    )
    return Decision(tuple(steps), stops, found.alias, found.overrides.told())


def names() -> list[str]:
    """Every name that a client may ask for."""
    return list(routing.names(_routes()))


def _routes() -> routing.Routes:
    return snapshot.build(ConfigVersion.current()).routes
