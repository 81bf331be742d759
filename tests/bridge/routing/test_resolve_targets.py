"""Routing to several targets, and its decisions in plain words. wire C1 `model`, G13."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from bridge.routing.resolve import NO_BACKEND, explain, resolve
from bridge.routing.types import Alias, BackendConfig, Route, Routes, WeightedTarget
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.overrides import NONE, Overrides
from tests.bridge.making import a_backend, facts

ONE = a_backend(name="one", id=1, models=facts("m", "Model", context=1000))
TWO = a_backend(name="two", id=2, models=facts("m", "n", context=2000))
OPEN = a_backend(name="open", id=3)
SESSIONS = [f"session-{number}" for number in range(300)]


def alias(pattern: str, *choices: WeightedTarget, said: Overrides = NONE) -> Alias:
    return Alias(pattern, choices, said)


def to(model: str, backend: str = "one", weight: int = 1, position: int = 0) -> WeightedTarget:
    return WeightedTarget(backend, model, weight, position)


def told(route: Route) -> list[str]:
    return [f"{target.backend.name}: {target.model}" for target in route.targets]


def firsts(routes: Routes, name: str) -> Counter[str]:
    """How many conversations are served by each target."""
    return Counter(told(resolve(routes, name, session))[0] for session in SESSIONS)


def refusal(routes: Routes, name: str) -> tuple[list[str], ApiError]:
    steps, error = explain(routes, name)
    assert isinstance(error, ApiError)
    return steps, error


# --- several targets ---------------------------------------------------------------------------


def test_targets_of_an_alias_stand_in_the_order_in_which_they_are_asked() -> None:
    """routes.py: those of the lowest position share, the next ones are for when they fail."""
    choices = (to("spare", position=2), to("next", "two", position=1), to("best", weight=0))
    for session in SESSIONS[:20]:
        route = resolve(Routes((ONE, TWO), (alias("fast", *choices),)), "fast", session)
        assert told(route) == ["one: best", "two: next", "one: spare"]


def test_alias_shares_its_requests_by_weight() -> None:
    """routes.py: share of the requests among targets of one position."""
    choices = (to("a"), to("b", "two", weight=3), to("never", weight=0))
    served = firsts(Routes((ONE, TWO), (alias("fast", *choices),)), "fast")
    assert served["one: a"] + served["two: b"] == len(SESSIONS)
    assert served["two: b"] == pytest.approx(225, abs=30)


@pytest.mark.parametrize(
    "aliases", [(), (alias("fast", to("m"), to("m", "two")),)], ids=["listed", "aliased"]
)
def test_same_conversation_goes_to_the_same_target(aliases: tuple[Alias, ...]) -> None:
    """Ours: a backend's prefix cache is worth more than an even spread."""
    routes = Routes((ONE, TWO), aliases)
    name = "fast" if aliases else "m"
    for session in SESSIONS[:50]:
        assert len({tuple(told(resolve(routes, name, session))) for _ in range(5)}) == 1
    assert len(firsts(routes, name)) == 2


def test_each_target_has_the_facts_of_its_own_backend() -> None:
    route = resolve(Routes((ONE, TWO), (alias("fast", to("m"), to("m", "two")),)), "fast")
    known = {target.backend.name: target.facts.context for target in route.targets}
    assert known == {"one": 1000, "two": 2000}


def test_model_that_two_backends_list_is_shared_by_weight() -> None:
    """backends.py: share of the requests, among backends of one position that list a model."""
    served = firsts(Routes((ONE, replace(TWO, weight=4))), "m")
    assert served["two: m"] == pytest.approx(240, abs=28)
    assert served["one: m"] == len(SESSIONS) - served["two: m"]


def test_model_that_two_backends_list_goes_by_position_first() -> None:
    """backends.py: backends are asked for a model in this order."""
    routes = Routes((replace(ONE, position=5, weight=100), replace(TWO, position=4)))
    for session in SESSIONS[:20]:
        assert told(resolve(routes, "m", session)) == ["two: m", "one: m"]
    assert told(resolve(routes, "Model")) == ["one: Model"]


def test_backend_that_takes_only_repaired_names_is_no_spare() -> None:
    """Ours: two models that differ by case may be two models."""
    other = a_backend(name="two", id=2, models=facts("model"))
    assert told(resolve(Routes((ONE, other)), "Model")) == ["one: Model"]


def test_backends_of_unknown_lists_share_what_nobody_lists() -> None:
    """wire C1: pass through when the list is unknown."""
    routes = Routes((ONE, OPEN, a_backend(name="free", id=4)))
    assert set(firsts(routes, "who/knows")) == {"open: who/knows", "free: who/knows"}
    assert len(resolve(routes, "who/knows").targets) == 2


def test_operators_word_on_an_unlisted_model_counts() -> None:
    """backends.py: three answers to each question, the operator's first; listed or not."""
    told_of = replace(OPEN, model_facts=facts("who/knows", context=77))
    assert resolve(Routes((told_of,)), "who/knows").targets[0].facts.context == 77
    routes = Routes((ONE, told_of), (alias("x", to("who/knows", "open")),))
    assert resolve(routes, "x").targets[0].facts.context == 77


# --- aliases and their overrides ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["fast", "fast[1m]", "FAST-9", "anthropic/fast", "lost"])
def test_overrides_come_with_the_alias_that_decided(name: str) -> None:
    said, rest = Overrides(temperature=0.5), Overrides("low")
    aliases = (alias("fast*", to("m"), said=said), alias("*", to("n", "two"), said=rest))
    route = resolve(Routes((ONE, TWO), aliases), name)
    wanted = ("*", rest) if name == "lost" else ("fast*", said)
    assert (route.alias, route.overrides) == wanted


def test_listed_model_has_no_overrides() -> None:
    aliases = (alias("*", to("n", "two"), said=Overrides("low")),)
    route = resolve(Routes((ONE, TWO), aliases), "m")
    assert (route.alias, route.overrides) == ("", NONE)


def test_target_that_is_not_enabled_is_passed_over() -> None:
    """snapshot.py: backends that are switched off are not in it."""
    routes = Routes((TWO,), (alias("fast", to("m"), to("n", "two", position=1)),))
    route = resolve(routes, "fast")
    assert told(route) == ["two: n"]
    assert "one is not enabled" in route.steps


def test_alias_without_an_enabled_target_gives_way_to_the_next_rule() -> None:
    routes = Routes((TWO,), (alias("m", to("m")), alias("*", to("n", "two"))))
    route = resolve(routes, "m")
    assert (told(route), route.alias) == (["two: m"], "")
    assert told(resolve(replace(routes, aliases=routes.aliases[1:]), "else")) == ["two: n"]


# --- steps -------------------------------------------------------------------------------------

FAST = alias("fast", to("m"), to("n", "two", position=1))
STEPS: list[tuple[str, Routes, tuple[str, ...]]] = [
    ("fast", Routes((ONE, TWO), (FAST,)), ("alias fast fits", "goes to one: m, then two: n")),
    (
        "anthropic/fast[1m]",
        Routes((ONE,), (FAST,)),
        (
            "looked up as anthropic/fast",
            "looked up as fast",
            "alias fast fits",
            "two is not enabled",
            "goes to one: m",
        ),
    ),
    ("Model", Routes((ONE,)), ("listed", "goes to one: Model")),
    ("MODEL", Routes((ONE,)), ("listed, but for upper and lower case", "goes to one: Model")),
    (
        "m",
        Routes((TWO,), (alias("m", to("m")),)),
        ("alias m fits", "one is not enabled", "listed", "goes to two: m"),
    ),
    ("x", Routes((ONE,), (alias("*", to("m")),)), ("alias * fits", "goes to one: m")),
    (
        "x[1m]",
        Routes((ONE, OPEN)),
        (
            "looked up as x",
            "not listed; a backend whose list is not known takes any name",
            "goes to open: x",
        ),
    ),
]


@pytest.mark.parametrize(("name", "routes", "steps"), STEPS, ids=[step[0] for step in STEPS])
def test_decision_is_told_step_by_step(name: str, routes: Routes, steps: tuple[str, ...]) -> None:
    """Ours: an operator can follow why a request went where it went."""
    route = resolve(routes, name)
    assert route.steps == steps
    assert explain(routes, name) == (list(steps), route)


def test_steps_to_a_404_are_told_as_well() -> None:
    """wire E1: the client gets the closest names; Ours: the operator sees what was tried."""
    steps, error = refusal(Routes((TWO,), (alias("nn", to("m")),)), "nn[1m]")
    assert steps == [
        "looked up as nn",
        "alias nn fits",
        "one is not enabled",
        "no alias and no listed model has this name",
    ]
    head, listing = error.message.split("\n")
    assert (error.status, head) == (404, "model: nn[1m]")
    assert set(listing.removeprefix("Available models: ").split(", ")) == {"m", "n"}


def test_gateway_without_backends_explains_itself() -> None:
    steps, error = refusal(Routes(aliases=(FAST,)), "fast")
    assert (steps, error.status, error.message) == ([], 503, NO_BACKEND)


def test_steps_of_one_decision_are_not_those_of_another() -> None:
    routes = Routes((ONE,), (FAST,))
    first = resolve(routes, "fast")
    assert resolve(routes, "fast").steps == first.steps


@pytest.mark.parametrize("fields", [{"key": "cpk_operator"}, {"url": "http://h.internal/v1"}])
def test_steps_name_no_address_and_no_key(fields: dict[str, str]) -> None:
    """design, Secrets: a step may stand in a log."""
    backend: BackendConfig = replace(ONE, **fields)  # type: ignore[arg-type]
    steps, _ = explain(Routes((backend,)), "m")
    assert not any(value in step for step in steps for value in fields.values())


def test_what_an_alias_sets_is_a_step() -> None:
    """Ours: the record of a request tells what its alias put in the place of what was asked."""
    hot = replace(alias("hot", to("m")), overrides=Overrides(temperature=1.5, max_tokens=100))
    route = resolve(Routes((ONE,), (hot,)), "hot")
    assert route.steps == ("alias hot fits", "it sets temperature, max_tokens", "goes to one: m")
