"""Routing by what a request is for: class, agent, image, thinking and size, through an alias."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import product

import pytest

from bridge.routing.conditions import ALWAYS, Conditions, RequestTraits
from bridge.routing.resolve import NoRouteError, explain, resolve
from bridge.routing.types import Alias, Route, Routes, WeightedTarget
from bridge.translation.prompt_size import PromptSize
from bridge.translation.request.purpose import REQUEST_CLASSES
from tests.bridge.making import a_backend, facts

BACKEND = a_backend(models=facts("m", "other"))
SIDE_CALLS = Conditions(request_classes=("auxiliary", "compaction"))
EXPLORERS = Conditions(agent_types=("explore",))
IMAGES = Conditions(has_image=True)
THINKERS = Conditions(asks_to_think=True, has_image=False)
LARGE = Conditions(prompt_above=50_000)


def to(model: str, conditions: Conditions = ALWAYS, position: int = 0) -> WeightedTarget:
    return WeightedTarget("main", model, 1, position, conditions)


def routes(*choices: WeightedTarget) -> Routes:
    return Routes((BACKEND,), (Alias("fast", choices),))


def traits(request_class: str = "main", tokens: int = 1000, **fields: object) -> RequestTraits:
    images = int(bool(fields.pop("image", False)))
    prompt = replace(PromptSize.of_tokens(tokens), images=images)
    return replace(RequestTraits(request_class, prompt=prompt, max_tokens=100), **fields)  # type: ignore[arg-type]


def models(route: Route) -> list[str]:
    return [target.model for target in route.targets]


def asked(where: Routes, seen: RequestTraits, sticky: str = "s") -> list[str]:
    return models(resolve(where, "fast", sticky, traits=seen))


# --- the matrix -------------------------------------------------------------------------------

EVERY = routes(
    to("small", SIDE_CALLS, 0),
    to("finder", EXPLORERS, 1),
    to("seer", IMAGES, 2),
    to("long", LARGE, 3),
    to("thinker", THINKERS, 4),
    to("usual", position=5),
)


def expected(seen: RequestTraits, tokens: int) -> str:
    """Who is to serve, as an operator would say it."""
    if seen.request_class in ("auxiliary", "compaction"):
        return "small"
    if seen.agent_type == "Explore":
        return "finder"
    if seen.has_image:
        return "seer"
    if tokens >= 50_000:
        return "long"
    return "thinker" if seen.asks_to_think else "usual"


@pytest.mark.parametrize("request_class", [*REQUEST_CLASSES, "", "newer"])
@pytest.mark.parametrize("agent_type", ["", "Explore", "custom"])
def test_every_request_goes_to_the_first_target_that_takes_it(
    request_class: str, agent_type: str
) -> None:
    for tokens, image, thinks in product((10, 47_000, 60_000), (False, True), (False, True)):
        seen = traits(
            request_class, tokens, agent_type=agent_type, image=image, asks_to_think=thinks
        )
        served = asked(EVERY, seen)
        assert served[0] == expected(seen, tokens), seen
        assert served[-1] == "usual"


def test_targets_that_take_a_request_as_well_are_for_when_the_first_cannot_answer() -> None:
    seen = traits("auxiliary", 60_000, image=True)
    assert asked(EVERY, seen) == ["small", "seer", "long", "usual"]


# --- single conditions ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("conditions", "met", "unmet"),
    [
        (SIDE_CALLS, traits("auxiliary"), traits("main")),
        (SIDE_CALLS, traits("compaction"), traits("")),
        (EXPLORERS, traits(agent_type="EXPLORE"), traits(agent_type="Plan")),
        (IMAGES, traits(image=True), traits()),
        (Conditions(has_image=False), traits(), traits(image=True)),
        (Conditions(asks_to_think=True), traits(asks_to_think=True), traits()),
        (Conditions(asks_to_think=False), traits(), traits(asks_to_think=True)),
        (LARGE, traits(tokens=50_000), traits(tokens=49_999)),
        (Conditions(prompt_below=50_000), traits(tokens=49_999), traits(tokens=50_000)),
    ],
)
def test_a_condition_is_met_or_not(
    conditions: Conditions, met: RequestTraits, unmet: RequestTraits
) -> None:
    where = routes(to("m", conditions), to("other", position=1))
    assert asked(where, met) == ["m", "other"]
    assert asked(where, unmet) == ["other"]


def test_all_conditions_of_a_target_must_be_met() -> None:
    both = Conditions(request_classes=("subagent",), has_image=True)
    where = routes(to("m", both), to("other", position=1))
    assert asked(where, traits("subagent", image=True))[0] == "m"
    assert asked(where, traits("subagent")) == ["other"]
    assert asked(where, traits("main", image=True)) == ["other"]


def test_the_size_is_estimated_with_what_the_target_taught() -> None:
    where = routes(to("m", LARGE), to("other", position=1))
    ratios = {("main", "m"): 2.0}
    seen = replace(traits(tokens=30_000), ratio=lambda b, m: ratios.get((b, m)))
    assert asked(where, seen)[0] == "m"
    assert asked(where, traits(tokens=30_000)) == ["other"]


# --- order ------------------------------------------------------------------------------------


def test_at_one_position_the_target_with_conditions_comes_first() -> None:
    where = routes(to("other"), to("m", SIDE_CALLS))
    assert asked(where, traits("auxiliary")) == ["m", "other"]


def test_a_target_without_conditions_in_front_leaves_others_for_its_failures() -> None:
    where = routes(to("other"), to("m", SIDE_CALLS, 1))
    assert asked(where, traits("auxiliary")) == ["other", "m"]


def test_positions_count_within_a_group() -> None:
    where = routes(to("m", SIDE_CALLS, 0), to("spare", SIDE_CALLS, 3), to("other", position=1))
    assert asked(where, traits("auxiliary")) == ["m", "spare", "other"]


def test_weights_share_what_a_group_takes() -> None:
    where = Routes(
        (BACKEND,),
        (
            Alias(
                "fast",
                (
                    WeightedTarget("main", "m", 3, 0, SIDE_CALLS),
                    WeightedTarget("main", "spare", 1, 0, SIDE_CALLS),
                    to("other"),
                ),
            ),
        ),
    )
    served = Counter(asked(where, traits("auxiliary"), f"s{n}")[0] for n in range(400))
    assert served["m"] + served["spare"] == 400
    assert served["m"] == pytest.approx(300, abs=40)


def test_a_model_that_takes_a_request_in_two_groups_is_asked_once() -> None:
    """It would fail the same way; the same target twice in one group is the operator's wish."""
    where = routes(
        to("m", SIDE_CALLS), to("other", position=1), to("m", LARGE, 2), to("m", LARGE, 2)
    )
    assert asked(where, traits("auxiliary", 60_000)) == ["m", "other"]
    assert asked(where, traits("main", 60_000)) == ["other", "m", "m"]


# --- nobody takes it --------------------------------------------------------------------------


def test_a_name_whose_targets_take_other_requests_says_so() -> None:
    with pytest.raises(NoRouteError) as refused:
        asked(routes(to("m", SIDE_CALLS)), traits("main"))
    assert refused.value.status == 404
    assert "no target that takes a request like this one" in refused.value.message
    only_for = "leaves out main: m, which is only for class auxiliary or compaction"
    assert only_for in refused.value.steps


def test_an_alias_that_takes_no_request_like_this_leaves_it_to_the_next() -> None:
    aliases = (Alias("fast", (to("m", SIDE_CALLS),)), Alias("fa*", (to("other"),)))
    assert asked(Routes((BACKEND,), aliases), traits("main")) == ["other"]


def test_without_a_request_a_name_leads_where_its_main_conversations_go() -> None:
    where = routes(to("m", SIDE_CALLS), to("other", position=1))
    assert models(resolve(where, "fast")) == ["other", "m"]
    assert models(resolve(routes(to("m", SIDE_CALLS)), "fast")) == ["m"]


def test_the_steps_name_conditions_that_are_not_met() -> None:
    steps, _ = explain(EVERY, "fast", "s", traits("main"))
    for text in (
        "leaves out main: small, which is only for class auxiliary or compaction",
        "leaves out main: finder, which is only for agent type explore",
        "leaves out main: seer, which is only for an image",
        "leaves out main: long, which is only for 50,000 tokens or more",
        "leaves out main: thinker, which is only for thinking",
    ):
        assert text in steps
