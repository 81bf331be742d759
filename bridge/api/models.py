"""What the gateway tells about itself: health, known models, and their schemas, as JSON.

Names and states only: no address, no key, nothing of a backend's own entry that could name a
path on its disk.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from bridge.api import picker
from bridge.backends.breaker import State
from bridge.backends.status import BackendStatus, Overall, of_backend, overall
from bridge.ledger.pricing import Prices
from bridge.routing import resolve, served
from bridge.routing.promised_facts import promised, takes_conversations
from bridge.routing.served import EVERYTHING, Access
from bridge.routing.types import Alias, BackendConfig, Route, Routes
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import REFUSES, Fact, values
from bridge.translation.json import JSON
from bridge.translation.profiles import ModelFacts
from bridge.translation.sizes import check_name

EPOCH = "1970-01-01T00:00:00Z"
LIFECYCLE = "active"
"""All that is listed can be used; a backend says nothing of retirement."""
DRAINING = "draining"
MAX_PAGE = 1000
DEFAULT_PAGE = 20


def health(gateway: Gateway) -> tuple[int, JSON]:
    """(status, body) of /health: 200 while any backend would be called, else 503.

    503 as well while the process ends, so that a front sends no more to a connection it has.
    """
    backends = gateway.snapshot.routes.backends
    failing = sorted(trouble.name for trouble in gateway.background.troubles())
    limits = gateway.limiter.state
    states = {b.name: of_backend(gateway.health, b) for b in backends}
    whole = overall(status.state for status in states.values())
    if whole is Overall.OK and failing:
        whole = Overall.DEGRADED
    body = {
        "status": DRAINING if gateway.is_draining else whole.value,
        "version": gateway.settings.version,
        "demo": gateway.snapshot.is_demo,
        "models_known": len(resolve.known_names(gateway.snapshot.routes)),
        "requests_running": len(gateway.exchanges),
        "background_failing": failing,
        "limits": {"shared": limits.is_shared, "problem": limits.problem},
        "backends": {b.name: _condition(gateway, b, states[b.name]) for b in backends},
    }
    return (503 if gateway.is_draining or whole is Overall.UNHEALTHY else 200), body


def _condition(gateway: Gateway, backend: BackendConfig, status: BackendStatus) -> dict[str, Any]:
    """Names and states; what an error says is for operators."""
    condition = gateway.health.of(backend)
    breaker = gateway.health.state(backend)
    shown: dict[str, Any] = {
        "state": status.state.value,
        "circuit_breaker": breaker.value,
        "consecutive_failures": status.failures,
        "reachable": condition.reachable,
        "family": backend.profile.name,
        "models": None if backend.models is None else len(backend.models),
    }
    if backend.broken:
        shown["problem"] = f"It {backend.broken}."
    if breaker is not State.CLOSED:
        shown["retry_after"] = condition.breaker.wait(gateway.health.clock())
    return shown


def schemas(routes: Routes, access: Access = EVERYTHING) -> JSON:
    """What discovery knows of each model that the caller may use, by backend; null: not known.

    A backend whose list holds none of them is not named.
    """
    backends = {}
    for backend in routes.backends:
        listed = backend.models or {}
        models = {
            name: _schema(backend, name, facts)
            for name, facts in listed.items()
            if access.allows(name)
        }
        if models or not listed:
            backends[backend.name] = {"family": backend.profile.name, "models": models}
    opened = _opened(routes, access)
    aliases = (alias for alias in routes.aliases if opened is None or alias.pattern in opened)
    return {
        "backends": backends,
        "aliases": {alias.pattern: _main_model(routes, alias) for alias in aliases},
    }


def _opened(routes: Routes, access: Access) -> set[str] | None:
    """The aliases that a limited key may use, by one of their names at least; None: all of them."""
    if not access.is_limited:
        return None
    names = served.exact_names(routes, access)
    names |= served.made_names(routes, access, names)
    leading = {route.alias for route in names.values()}
    return leading | {alias.pattern for alias in routes.aliases if access.allows(alias.pattern)}


def _main_model(routes: Routes, alias: Alias) -> str:
    target = resolve.main_target(routes, alias)
    return target.model if target else alias.choices[0].model


def _schema(backend: BackendConfig, name: str, facts: ModelFacts) -> JSON:
    learnt = _learnt(backend, name)
    return {
        "context": facts.context,
        "max_output": facts.max_output,
        "tools": facts.tools,
        "vision": facts.vision,
        "reasoning": facts.reasoning,
        "refused_fields": sorted(values(learnt, REFUSES)),
        "learned": [str(fact) for fact in sorted(learnt)],
    }


def _learnt(backend: BackendConfig, model: str) -> frozenset[Fact]:
    rows = (*backend.learnt.get("", ()), *backend.learnt.get(model, ()))
    return frozenset(row.fact for row in rows)


def model_info(name: str, facts: ModelFacts) -> dict[str, JSON]:
    """One model as the Messages API describes models."""
    return {
        "type": "model",
        "id": name,
        "display_name": name,
        "created_at": EPOCH,
        "lifecycle": LIFECYCLE,
        "max_input_tokens": facts.context,
        "max_tokens": facts.max_output,
        "capabilities": None,
        "line": None,
        "deprecated_at": None,
        "retires_at": None,
    }


def model(routes: Routes, name: str, access: Access = EVERYTHING) -> JSON:
    """One model by any name that would be served, a 404 for one that would not be."""
    check_name(name)
    return model_info(name, promised(served.route_of(routes, name, access).targets).facts)


def models(
    routes: Routes,
    query: str,
    access: Access = EVERYTHING,
    picker_prices: Prices | None = None,
) -> JSON:
    """One page of all names, aliases first; with prices it is made for Claude Code's picker."""
    params = {name: values[-1] for name, values in parse_qs(query).items()}
    limit = _limit(params.get("limit"))
    names = served.exact_names(routes, access)
    if access.is_limited:
        names |= served.made_names(routes, access, names)
    known = (
        _plain(names)
        if picker_prices is None
        else _for_picker(routes, names, access, picker_prices)
    )
    if LIFECYCLE not in parse_qs(query).get("lifecycle[]", [LIFECYCLE]):
        known = {}
    ids, has_more = _page(list(known), limit, params.get("after_id"), params.get("before_id"))
    return {
        "data": [known[identity] for identity in ids],
        "has_more": has_more,
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
    }


def _plain(names: dict[str, Route]) -> dict[str, dict[str, JSON]]:
    return {name: model_info(name, promised(route.targets).facts) for name, route in names.items()}


def _for_picker(
    routes: Routes, names: dict[str, Route], access: Access, prices: Prices
) -> dict[str, dict[str, JSON]]:
    names = {name: r for name, r in names.items() if takes_conversations(r.targets)}
    targets = {name: promised(route.targets) for name, route in names.items()}
    shown, lines = picker.display_names(targets), picker.descriptions(targets, prices)
    ids = picker.identities(routes, names, access)
    return {
        ids[name]: model_info(ids[name], target.facts)
        | {"display_name": shown[name], "description": lines[name]}
        for name, target in targets.items()
    }


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= MAX_PAGE:
        raise ApiError.invalid(f"limit: Input should be a number from 1 to {MAX_PAGE}")
    return int(text)


def _page(
    names: list[str], limit: int, after: str | None, before: str | None
) -> tuple[list[str], bool]:
    """The names behind `after`, or the last ones in front of `before`; and whether more follow."""
    if before is not None:
        end = _position(names, before, "before_id")
        start = max(0, end - limit)
        return names[start:end], start > 0
    start = 0 if after is None else _position(names, after, "after_id") + 1
    return names[start : start + limit], start + limit < len(names)


def _position(names: Iterable[str], wanted: str, field: str) -> int:
    for position, name in enumerate(names):
        if name == wanted:
            return position
    raise ApiError.invalid(f"{field}: no model has this id")
