"""Which model is suggested to a client, and which of Claude's names lead somewhere."""

from __future__ import annotations

import pytest

from bridge.routing.conditions import Conditions
from bridge.routing.main_model import FAMILIES, caught_families, main_model, usable_names
from bridge.routing.served import Access
from bridge.routing.types import Alias, Routes, WeightedTarget
from bridge.translation.profiles import ModelFacts
from bridge.translation.request.overrides import NONE, Overrides
from tests.bridge.making import a_backend

SMALL = ModelFacts("a/small", context=32_768, tools=True)
LARGE = ModelFacts("b/Large", context=262_144, tools=True)
BLIND = ModelFacts("c/embedding", context=1_000_000, tools=False)
LISTED = a_backend(models={facts.name: facts for facts in (SMALL, LARGE, BLIND)})


def alias(pattern: str, *models: str, overrides: Overrides = NONE) -> Alias:
    targets = tuple(WeightedTarget("main", model) for model in models)
    return Alias(pattern, targets, overrides)


def suggested(*aliases: Alias, only: str = "") -> str | None:
    routes = Routes((LISTED,), aliases)
    usable = main_model(routes, Access(((only,),) if only else ()))
    return usable.name if usable else None


def test_largest_model_that_calls_tools_is_suggested() -> None:
    """Observed: the first name of the alphabet, which called no tools."""
    assert suggested() == LARGE.name


def test_alias_of_an_operator_comes_before_a_models_own_name() -> None:
    assert suggested(alias("work", SMALL.name)) == "work"
    assert suggested(alias("work", SMALL.name), alias("best", LARGE.name)) == "best"


def test_alias_of_a_model_without_tools_comes_last() -> None:
    assert suggested(alias("search", BLIND.name)) == LARGE.name


def test_what_claudes_names_lead_to_comes_first() -> None:
    """Observed: `*haiku*` for everything, where `claude-*` stands for the main model."""
    haiku, claude = alias("*haiku*", LARGE.name), alias("claude-*", SMALL.name)
    assert suggested(haiku, claude) == SMALL.name
    assert suggested(haiku, claude, alias("work", SMALL.name)) == "work"


def test_glob_that_adds_something_is_used_by_a_name_that_fits() -> None:
    """Other targets and settings of an alias count for the main model, too."""
    assert suggested(alias("claude-*", SMALL.name, LARGE.name)) == "claude-small"
    thinks = Overrides(thinking="high")
    assert suggested(alias("claude-*", SMALL.name, overrides=thinks)) == "claude-small"


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("claude-*", "claude-Large"), ("*haiku*", "Large-haiku"), ("team/*", "team/Large")],
)
def test_key_for_a_glob_gets_a_name_that_fits_it(pattern: str, name: str) -> None:
    """Observed: ANTHROPIC_MODEL='*haiku*'."""
    assert suggested(alias(pattern, LARGE.name), only=pattern) == name


def test_name_for_a_glob_is_made_of_its_main_model() -> None:
    side = WeightedTarget("main", SMALL.name, conditions=Conditions(("auxiliary",)))
    glob = Alias("claude-*", (side, WeightedTarget("main", LARGE.name, position=1)))
    assert suggested(glob) == "claude-Large"


def test_no_name_is_made_that_another_rule_would_catch() -> None:
    globs = (alias("claude-*", SMALL.name), alias("claude-s*", LARGE.name))
    names = [usable.name for usable in usable_names(Routes((LISTED,), globs))]
    assert "claude-small" not in names
    assert "claude-s-Large" in names


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert main_model(Routes()) is None
    assert main_model(Routes((a_backend(),))) is None
    assert suggested(only="nothing of this name") is None


@pytest.mark.parametrize(
    ("aliases", "caught"),
    [
        ((), ()),
        ((alias("claude-*", SMALL.name),), FAMILIES),
        ((alias("*haiku*", SMALL.name),), ("haiku",)),
        ((alias("claude-haiku-5-5", SMALL.name),), ()),
        ((alias("*", SMALL.name),), FAMILIES),
    ],
)
def test_families_that_lead_somewhere(aliases: tuple[Alias, ...], caught: tuple[str, ...]) -> None:
    """An alias for one version of a name does not catch the next version's."""
    assert caught_families(Routes((LISTED,), aliases)) == frozenset(caught)


def test_single_model_serves_every_family_and_an_unknown_list_none() -> None:
    one = a_backend(models={LARGE.name: LARGE})
    assert caught_families(Routes((one,))) == frozenset(FAMILIES)
    assert caught_families(Routes((a_backend(),))) == frozenset()


def test_key_that_may_not_use_a_family_gets_no_use_of_it() -> None:
    routes = Routes((LISTED,), (alias("claude-*", SMALL.name),))
    assert caught_families(routes, Access((("a/small",),))) == frozenset()
