"""What a client may rely on behind a name: the window that it compacts by, and abilities."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.pages import client_settings
from bridge.routing.conditions import ALWAYS, Conditions, RequestTraits
from bridge.routing.promised_facts import promised, promised_facts
from bridge.routing.resolve import known_names, listing, names, resolve
from bridge.routing.types import Alias, Routes, Target, WeightedTarget
from bridge.translation.profiles import ModelFacts
from bridge.translation.prompt_size import PromptSize
from tests.bridge.making import a_backend

SIDE_CALLS = Conditions(request_classes=("auxiliary", "compaction"))
CONVERSATIONS = Conditions(request_classes=("main", "subagent"))
EXPLORERS = Conditions(agent_types=("Explore",))
IMAGES, NO_IMAGES = Conditions(has_image=True), Conditions(has_image=False)
THINKING, NO_THINKING = Conditions(asks_to_think=True), Conditions(asks_to_think=False)


def to(conditions: Conditions = ALWAYS, **facts: Any) -> Target:
    choice = WeightedTarget("main", "m", conditions=conditions)
    return Target(a_backend(), "m", ModelFacts("m", **facts), choice)


def window(*targets: Target) -> int | None:
    facts = promised_facts(targets)
    assert facts is not None
    return facts.context


def test_no_target_promises_nothing() -> None:
    assert promised_facts([]) is None


@pytest.mark.parametrize(
    ("targets", "promise"),
    [
        ((to(context=8), to(context=32)), 32),
        ((to(context=8), to()), 8),
        ((to(), to()), None),
        ((to(SIDE_CALLS, context=99), to(context=32)), 32),
        ((to(SIDE_CALLS, context=99), to()), None),
        ((to(CONVERSATIONS, context=32), to(context=8)), 32),
        ((to(EXPLORERS, context=99), to(context=32)), 32),
        ((to(IMAGES, context=99), to(context=32)), 32),
        ((to(NO_IMAGES, context=99), to(context=32)), 99),
        ((to(SIDE_CALLS, context=99), to(EXPLORERS, context=32)), 99),
    ],
)
def test_window_is_the_largest_of_those_that_take_main_conversations(
    targets: tuple[Target, ...], promise: int | None
) -> None:
    """W11: smaller ones are passed over where a prompt does not fit them."""
    assert window(*targets) == promise


@pytest.mark.parametrize(
    ("targets", "promise"),
    [
        ((to(Conditions(prompt_below=30), context=99), to(context=50)), 50),
        ((to(Conditions(prompt_below=30), context=99), to()), 30),
        ((to(Conditions(prompt_below=30)), to(context=20)), 30),
        ((to(context=32), to(Conditions(prompt_above=20), context=99)), 99),
        ((to(context=32), to(Conditions(prompt_above=120), context=99)), 32),
    ],
)
def test_window_ends_where_no_target_takes_a_longer_prompt(
    targets: tuple[Target, ...], promise: int
) -> None:
    assert window(*targets) == promise


def test_window_is_kept_whether_a_client_asks_to_think_or_not() -> None:
    assert window(to(THINKING, context=99), to(NO_THINKING, context=32)) == 32
    assert window(to(THINKING, context=99), to(context=32)) == 32
    assert window(to(THINKING, context=99), to(SIDE_CALLS, context=32)) == 99


def test_every_prompt_up_to_the_promise_has_a_target() -> None:
    """The answer needs its room as well, which Claude Code keeps free when it compacts."""
    models = {size: ModelFacts(size, context=int(size)) for size in ("8000", "32000", "131072")}
    choices = tuple(WeightedTarget("main", size) for size in models)
    routes = Routes((a_backend(models=models),), (Alias("fast", choices),))
    promise = names(routes)["fast"].context
    assert promise == 131_072
    for tokens in range(0, promise - 33_000, 1_000):
        traits = RequestTraits("main", prompt=PromptSize.of_tokens(tokens), max_tokens=32_000)
        first = resolve(routes, "fast", traits=traits).targets[0]
        assert tokens + min(8_192, int(first.model) // 2) <= int(first.model)


def test_abilities_are_those_of_all_and_the_longest_answer_the_smallest() -> None:
    facts = promised_facts([to(tools=True, vision=False), to(tools=True, max_output=500)])
    assert facts is not None
    assert (facts.max_output, facts.tools, facts.vision) == (500, True, False)


def test_side_calls_and_sub_agents_limit_nothing() -> None:
    side = to(SIDE_CALLS, max_output=5, tools=False, vision=False)
    facts = promised_facts([side, to(tools=True, vision=True, max_output=500)])
    assert facts is not None
    assert (facts.max_output, facts.tools, facts.vision) == (500, True, True)


@pytest.mark.parametrize("sees", [True, False])
def test_images_are_read_where_they_go(sees: bool) -> None:
    facts = promised_facts([to(vision=not sees), to(IMAGES, vision=sees)])
    assert facts is not None and facts.vision is sees


def test_first_is_the_target_of_main_conversations() -> None:
    side, main = to(SIDE_CALLS, context=99), to(context=32)
    assert promised([side, main]).conditions == ALWAYS


def test_conversations_of_claude_code_ask_to_think() -> None:
    quiet = WeightedTarget("main", "quiet", conditions=NO_THINKING)
    routes = Routes(
        (a_backend(),), (Alias("fast", (quiet, WeightedTarget("main", "usual", 1, 1))),)
    )
    assert resolve(routes, "fast").targets[0].model == "usual"
    assert promised([to(NO_THINKING, context=1), to(THINKING, context=2)]).facts.context == 1
    assert promised([to(NO_THINKING), to(THINKING)]).conditions == THINKING
    assert listing(routes)["fast"].model == "usual"


def test_names_are_those_of_the_listing() -> None:
    models = {n: ModelFacts(n) for n in ("a", "b")}
    aliases = (
        Alias("b", (WeightedTarget("main", "a"),)),
        Alias("gone", (WeightedTarget("x", "a"),)),
    )
    routes = Routes((a_backend(models=models), a_backend(name="o", models=models)), aliases)
    assert list(known_names(routes)) == list(names(routes)) == ["b", "a"]
    assert listing(routes)["b"].model == "a"


def test_client_settings_and_the_list_of_models_name_the_same_window() -> None:
    models = {n: ModelFacts(n, context=s) for n, s in (("small", 8_000), ("large", 131_072))}
    side = WeightedTarget("main", "small", conditions=SIDE_CALLS)
    choices = (side, WeightedTarget("main", "small", 1, 1), WeightedTarget("main", "large", 1, 2))
    routes = Routes((a_backend(models=models),), (Alias("fast", choices),))
    setup = client_settings.setup(routes, "http://gateway.test", name="fast")
    assert setup.facts.context == names(routes)["fast"].context == 131_072


def test_model_at_two_backends_has_the_larger_window() -> None:
    backends = tuple(
        a_backend(name=str(size), models={"m": ModelFacts("m", context=size)})
        for size in (8_000, 32_000)
    )
    assert names(Routes(backends))["m"].context == 32_000
