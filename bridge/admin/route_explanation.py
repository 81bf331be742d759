"""Routing explained to an operator: the decision that a request would meet now, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.backends.status import BackendStatus, of_row
from bridge.models import Backend
from bridge.routing import resolve
from bridge.routing.promised_facts import promised_facts
from bridge.routing.types import Route, Routes, Target
from bridge.translation.profiles import ModelFacts


@dataclass(frozen=True, slots=True)
class RouteStep:
    """One target of a route, in the order in which they are asked."""

    target: Target
    status: BackendStatus | None


@dataclass(frozen=True, slots=True)
class RouteExplanation:
    """What was decided; `error` is what a client would read if nothing was found."""

    steps: tuple[str, ...]
    stops: tuple[RouteStep, ...] = ()
    alias: str = ""
    overrides: tuple[str, ...] = ()
    error: str = ""

    @property
    def target(self) -> Target | None:
        return self.stops[0].target if self.stops else None

    @property
    def facts(self) -> ModelFacts | None:
        """What a client may rely on, whichever target answers."""
        return promised_facts([stop.target for stop in self.stops])


def decide(routes: Routes, name: str, session: str = "") -> RouteExplanation:
    """Where a request for this name would go now."""
    steps, found = resolve.explain(routes, name, session)
    if not isinstance(found, Route):
        return RouteExplanation(tuple(steps), error=found.message)
    rows = {row.pk: row for row in Backend.objects.select_related("breaker")}
    stops = tuple(
        RouteStep(t, of_row(rows[t.backend.id]) if t.backend.id in rows else None)
        for t in found.targets
    )
    return RouteExplanation(tuple(steps), stops, found.alias, found.overrides.labels())
