"""Routing explained to an operator: the decision that a request would meet now, step by step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from bridge.backends.status import BackendStatus, ServingState, of_row
from bridge.models import Backend
from bridge.routing import fitting, resolve
from bridge.routing.conditions import RequestTraits
from bridge.routing.fitting import Fit
from bridge.routing.types import Route, Routes, Target

_CANNOT_BE_CALLED = "Cannot be called now"
_SERVES, _NEXT, _PASSED = "Serves", "Next, if those before cannot answer", "Passed over"
_ASKED_ALREADY = "the same model takes this request in front of it"
_ASKED_ALTHOUGH = {
    Fit.SHORTER_ANSWER: "with a shorter answer: {}",
    Fit.DOUBTFUL: "it is tried, although by estimate {}",
}
"""How a target that is called fits the request, where it does not fit well."""


@dataclass(frozen=True, slots=True)
class RouteStop:
    """One target of a name, and what a request meets there.

    conditions   each of the target's conditions in words, and whether the request meets it
    place        as the how many-th that is called; None where it is passed over
    verdict      whether it serves, in two or three words, and `why` in a sentence or ""
    """

    target: Target
    status: BackendStatus | None
    conditions: tuple[tuple[str, bool], ...]
    place: int | None
    verdict: str
    why: str = ""

    @property
    def serves(self) -> bool:
        return self.verdict == _SERVES


@dataclass(frozen=True, slots=True)
class RouteExplanation:
    """What was decided; `error` is what a client would read if no target takes the request."""

    steps: tuple[str, ...]
    stops: tuple[RouteStop, ...] = ()
    alias: str = ""
    overrides: tuple[str, ...] = ()
    error: str = ""

    @property
    def target(self) -> Target | None:
        """The one that serves, as far as its backend can be called."""
        return next((stop.target for stop in self.stops if stop.serves), None)


def decide(routes: Routes, name: str, traits: RequestTraits, session: str = "") -> RouteExplanation:
    """Where a request like this one for this name would go now."""
    steps, found = resolve.explain(routes, name, session, traits)
    _, whole = resolve.explain(routes, name, session)
    called = found.targets if isinstance(found, Route) else ()
    known, alias = (whole.targets, whole.alias) if isinstance(whole, Route) else ((), "")
    rest = sorted((t for t in known if t not in called), key=lambda target: target.position)
    stops = tuple(_stops(called, rest, traits))
    if not isinstance(found, Route):
        return RouteExplanation(tuple(steps), stops, alias, error=found.message)
    return RouteExplanation(tuple(steps), stops, found.alias, found.overrides.labels())


def _stops(
    called: Sequence[Target], rest: Sequence[Target], traits: RequestTraits
) -> Iterable[RouteStop]:
    """The targets that are called, in this order, and those that are passed over."""
    rows = {row.pk: row for row in Backend.objects.select_related("breaker")}
    statuses = {number: of_row(row) for number, row in rows.items()}
    serving = _serving([statuses.get(target.backend.id) for target in called])
    for number, target in enumerate((*called, *rest)):
        place = number + 1 if number < len(called) else None
        status = statuses.get(target.backend.id)
        tokens = traits.tokens(target.backend.name, target.model)
        conditions = tuple(target.conditions.checked(traits, tokens))
        stop = RouteStop(target, status, conditions, place, _NEXT)
        yield replace(stop, verdict=_verdict(stop, serving), why=_why(stop, traits))


def _serving(statuses: Sequence[BackendStatus | None]) -> int:
    """The place of the first that can be called; one that is not reachable is called last."""
    callable_now = [n for n, status in enumerate(statuses, 1) if status is None or status.can_serve]
    for place in callable_now:
        status = statuses[place - 1]
        if status is None or status.state is not ServingState.UNREACHABLE:
            return place
    return next(iter(callable_now), 0)


def _verdict(stop: RouteStop, serving: int) -> str:
    if stop.place is None:
        return _PASSED
    if stop.place == serving:
        return _SERVES
    return _NEXT if stop.status is None or stop.status.can_serve else _CANNOT_BE_CALLED


def _why(stop: RouteStop, traits: RequestTraits) -> str:
    """Why a target is passed over, or how it fits; "" where its conditions say it all."""
    fit = fitting.fit(traits, stop.target)
    if stop.place is not None:
        text = _ASKED_ALTHOUGH.get(fit, "")
        return text.format(fitting.reason(traits, stop.target)) if text else ""
    if not all(is_met for _, is_met in stop.conditions):
        return ""
    if fit is Fit.WHOLE:
        return _ASKED_ALREADY
    return fitting.reason(traits, stop.target)
