"""The list of models and the road of a request agree: what is listed is served, whatever names,
aliases and globs there are, and what is served by an exact name is listed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.api import models
from bridge.keys.authentication import Caller, IssuedKey, Principal, check_model
from bridge.keys.limits import Limits
from bridge.ledger.pricing import OperatorPrice, Prices, Rates, price_list
from bridge.relay import budget
from bridge.routing import globs, resolve
from bridge.routing.types import Alias, BackendConfig, Routes, WeightedTarget
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend, facts

NAMES = ("fast", "claude-opus", "anthropic/claude-opus", "zai/GLM", "ZAI/glm", "opus", "a[1m]")
GLOBS = ("*", "claude-*", "*opus*", "anthropic/*", "zai/*", "claude-?pus", "[cz]*", "*/*-x")
ASKED = (
    *NAMES,
    *(f"anthropic/{name}" for name in NAMES),
    *("claude-sonnet-4-5", "claude-opus[1m]", "anthropic/claude-haiku[1m]", "zai/glm", "nobody"),
)
PRICED = price_list([OperatorPrice("zai/*", Rates.of(Decimal(1), Decimal(2), None, None))], {})
BUDGET = Limits(budget_month=Decimal(5), refuses_unpriced=True)

some_names = st.lists(st.sampled_from(NAMES), max_size=4, unique=True)
some_patterns = st.lists(st.sampled_from((*NAMES, *GLOBS)), max_size=4, unique=True)


@st.composite
def backends(draw: st.DrawFn, name: str) -> BackendConfig:
    known = draw(st.one_of(st.none(), some_names))
    return a_backend(name=name, models=None if known is None else facts(*known))


@st.composite
def routings(draw: st.DrawFn) -> Routes:
    servers = (draw(backends("one")), draw(backends("two")))[: draw(st.integers(1, 2))]
    targets = st.builds(
        WeightedTarget, st.sampled_from(("one", "two", "gone")), st.sampled_from(NAMES)
    )
    choices = st.lists(targets, min_size=1, max_size=2).map(tuple)
    aliases = tuple(Alias(pattern, draw(choices)) for pattern in draw(some_patterns))
    return Routes(servers, aliases, repair_case=draw(st.booleans()))


@st.composite
def callers(draw: st.DrawFn) -> Caller:
    limits = draw(st.sampled_from((Limits(), BUDGET)))
    person = draw(st.sampled_from((None, Principal(1, "maria", allowed=("*claude*", "zai/*")))))
    allowed = tuple(draw(some_patterns))
    issued = IssuedKey(1, "team", allowed=allowed, limits=limits, person=person)
    return Caller("f", draw(st.sampled_from((issued, None))))


def is_served(routes: Routes, caller: Caller, name: str) -> bool:
    """What the road of a request does with a name, step by step."""
    try:
        check_model(caller, name)
        route = resolve.resolve(routes, name)
        check_model(caller, name, route.name)
        budget.countable(route, PRICED, caller.issued, name)
    except ApiError:
        return False
    return True


def listed(routes: Routes, caller: Caller, prices: Prices | None = None) -> list[str]:
    page: Any = models.models(routes, "limit=1000", budget.access(caller, PRICED), prices)
    return [entry["id"] for entry in page["data"]]


@given(routes=routings(), caller=callers())
def test_every_listed_name_is_served(routes: Routes, caller: Caller) -> None:
    for prices in (None, PRICED):
        names = listed(routes, caller, prices)
        assert [name for name in names if not is_served(routes, caller, name)] == []
        assert len(set(names)) == len(names)


def leads_somewhere(routes: Routes, alias: Alias) -> bool:
    return any(routes.backend(choice.backend) for choice in alias.choices)


@given(routes=routings(), caller=callers())
def test_every_exact_name_that_is_served_is_listed(routes: Routes, caller: Caller) -> None:
    allowed = caller.issued.allowed if caller.issued else ()
    aliases = (alias for alias in routes.aliases if leads_somewhere(routes, alias))
    exact = {alias.pattern for alias in aliases}.union(allowed)
    exact |= {name for backend in routes.backends for name in backend.models or ()}
    spelled = {
        name for name in exact if not globs.is_glob(name) and is_served(routes, caller, name)
    }
    assert spelled <= set(listed(routes, caller))
    picked = listed(routes, caller, PRICED)
    assert [n for n in spelled if not {n, f"anthropic/{n}"} & set(picked)] == []


@given(routes=routings(), caller=callers(), name=st.sampled_from(ASKED))
def test_a_model_is_told_by_each_name_that_is_served_and_no_other(
    routes: Routes, caller: Caller, name: str
) -> None:
    access = budget.access(caller, PRICED)
    if is_served(routes, caller, name):
        assert models.model(routes, name, access)["id"] == name
        return
    with pytest.raises(ApiError) as caught:
        models.model(routes, name, access)
    assert caught.value.status == 404


@given(routes=routings(), caller=callers())
def test_key_for_a_glob_alias_sees_a_name_that_leads_by_it(routes: Routes, caller: Caller) -> None:
    """As far as the glob is made of asterisks and nothing narrower is in its way."""
    if caller.issued is None or caller.issued.limits == BUDGET:
        return
    leads = {resolve.resolve(routes, name).alias for name in listed(routes, caller)}
    for pattern in ("claude-*", "zai/*"):
        word = pattern.replace("*", "nobody-else")
        if pattern in caller.issued.allowed and is_served(routes, caller, word):
            route = resolve.resolve(routes, word)
            assert not route.alias or route.alias in leads


@given(routes=routings(), caller=callers(), limit=st.integers(1, 3), picks=st.booleans())
def test_pages_join_to_the_whole_list_both_ways(
    routes: Routes, caller: Caller, limit: int, picks: bool
) -> None:
    access, prices = budget.access(caller, PRICED), PRICED if picks else None
    whole = listed(routes, caller, prices)
    forward, after = [], ""
    while page := _ids(routes, f"limit={limit}{after}", access, prices):
        forward += page
        after = f"&after_id={page[-1]}"
    assert forward == whole
    back: list[str] = whole[-1:]
    while back and (page := _ids(routes, f"limit={limit}&before_id={back[0]}", access, prices)):
        back = page + back
    assert back == whole


def _ids(routes: Routes, query: str, access: Any, prices: Prices | None) -> list[str]:
    page: Any = models.models(routes, query, access, prices)
    return [entry["id"] for entry in page["data"]]
