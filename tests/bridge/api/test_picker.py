"""The list of models as Claude Code's picker takes it: issue of the model picker, contract 3."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bridge.api import models, picker
from bridge.ledger.pricing import OperatorPrice, Prices, Rates, price_list
from bridge.routing import resolve, served
from bridge.routing.conditions import Conditions
from bridge.routing.served import Access
from bridge.routing.types import Alias, Routes, WeightedTarget
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import ModelFacts
from tests.bridge.making import a_backend, facts

KNOWN = {
    "zai-org/GLM-4.5-Air": ModelFacts(
        "zai-org/GLM-4.5-Air", context=131072, vision=False, tools=True, reasoning=True
    ),
    "one/same": ModelFacts("one/same", context=1_048_576, vision=True, tools=False),
    "two/same": ModelFacts("two/same"),
    "anthropic/claude-opus": ModelFacts("anthropic/claude-opus", context=900),
}
TARGET = WeightedTarget("main", "zai-org/GLM-4.5-Air")
ROUTES = Routes(
    (a_backend("main", models=KNOWN),), (Alias("fast", (TARGET,)), Alias("claude-*", (TARGET,)))
)
RATES = Rates.of(Decimal("0.30"), Decimal("1.2"), None, None)
PRICES = price_list([OperatorPrice("zai-org/*", RATES)], {})


def listed(prices: Prices | None = PRICES) -> dict[str, Any]:
    found = models.models(ROUTES, "limit=1000", picker_prices=prices)
    return {entry["id"]: entry for entry in found["data"]}


def test_every_name_reaches_the_picker() -> None:
    """Observed client: keeps ids that contain claude or anthropic, and drops all others."""
    assert list(listed()) == [
        "anthropic/fast",
        "anthropic/zai-org/GLM-4.5-Air",
        "anthropic/one/same",
        "anthropic/two/same",
        "anthropic/claude-opus",
    ]


@pytest.mark.parametrize(
    ("conditions", "is_shown"),
    [
        (Conditions(request_classes=("subagent",)), False),
        (Conditions(agent_types=("Explore",)), False),
        (Conditions(request_classes=("main", "subagent")), True),
        (Conditions(has_image=True), True),
        (Conditions(asks_to_think=False), True),
        (Conditions(prompt_above=5), True),
    ],
)
def test_alias_that_takes_no_conversation_is_not_picked(
    conditions: Conditions, is_shown: bool
) -> None:
    """Ours: its picker would end every request in a 404. Other clients may have use for it."""
    target = replace(TARGET, conditions=conditions)
    routes = Routes((a_backend("main", models=KNOWN),), (Alias("side", (target,)),))
    picked = models.models(routes, "limit=1000", picker_prices=PRICES)["data"]
    plain = models.models(routes, "limit=1000")["data"]
    assert ("anthropic/side" in [entry["id"] for entry in picked]) is is_shown
    assert plain[0]["id"] == "side"


def test_every_id_of_the_picker_is_served_as_its_own_model() -> None:
    """Ours: what is picked is what answers."""
    names = served.exact_names(ROUTES)
    for name, identity in picker.identities(ROUTES, names).items():
        (found,) = resolve.resolve(ROUTES, identity).targets
        assert found.model == names[name].targets[0].model


def test_name_that_leads_elsewhere_with_the_prefix_keeps_its_own() -> None:
    """Two models of which one has the prefix in its name, and an alias over prefixed names."""
    backend = a_backend(models=facts("x", "anthropic/x", "claude-y"))
    routes = Routes((backend,), (Alias("anthropic/claude*", (WeightedTarget("main", "x"),)),))
    found = models.models(routes, "", picker_prices=PRICES)
    assert [entry["id"] for entry in found["data"]] == ["x", "anthropic/x", "claude-y"]


def test_others_see_the_plain_names() -> None:
    assert list(listed(None)) == ["fast", *KNOWN]
    assert all("description" not in entry for entry in listed(None).values())


GLM = "131k tokens, $0.3 in and $1.2 out per million, tools, thinking"


@pytest.mark.parametrize(
    ("name", "shown", "line"),
    [
        (
            "anthropic/zai-org/GLM-4.5-Air",
            "GLM-4.5-Air",
            GLM,
        ),
        (
            "anthropic/fast",
            "fast",
            GLM,
        ),
        ("anthropic/one/same", "one/same", "1.05M tokens, images, no tools"),
        ("anthropic/two/same", "two/same", ""),
        ("anthropic/claude-opus", "claude-opus", "900 tokens"),
    ],
)
def test_entry_can_be_read(name: str, shown: str, line: str) -> None:
    """Readable, without the vendor; two that would look the same keep theirs."""
    entry = listed()[name]
    assert (entry["display_name"], entry["description"]) == (shown, line)


def test_pages_go_by_the_ids_that_were_given() -> None:
    query = "limit=2&after_id=anthropic/zai-org/GLM-4.5-Air"
    found = models.models(ROUTES, query, picker_prices=PRICES)
    assert [entry["id"] for entry in found["data"]] == ["anthropic/one/same", "anthropic/two/same"]


@pytest.mark.parametrize(
    ("user_agent", "meant"),
    [("claude-code/2.1.328", True), ("claude-cli/2.1.328 (external)", False), ("", False)],
)
def test_picker_is_known_by_its_user_agent(user_agent: str, meant: bool) -> None:
    assert picker.is_meant(user_agent) is meant


@pytest.mark.parametrize(
    ("name", "window"),
    [
        ("claude-sonnet-4-5", 131072),
        ("anthropic/ZAI-ORG/glm-4.5-air", 131072),
        ("fast[1m]", 131072),
        ("anthropic/claude-opus", 900),
    ],
)
def test_model_is_told_under_every_name_that_would_be_served(name: str, window: int) -> None:
    """F134: also through a glob, in another case, and with what clients put around a name."""
    found: Any = models.model(ROUTES, name)
    assert (found["id"], found["max_input_tokens"]) == (name, window)


@pytest.mark.parametrize("name", ["claude-sonnet-4-5", "anthropic/claude-opus"])
def test_model_that_a_key_may_not_use_is_not_told(name: str) -> None:
    with pytest.raises(ApiError) as caught:
        models.model(ROUTES, name, Access((("fast",),)))
    assert caught.value.status == 404
