"""Which names a list of models holds for a key: those that open something, and no other."""

from __future__ import annotations

import pytest

from bridge.routing.served import Access, exact_names, find, made_names, route_of
from bridge.routing.types import Alias, Routes, Target, WeightedTarget
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend, facts

GLM = "zai-org/GLM-4.5-Air"
LISTED = a_backend(models=facts(GLM, "qwen/Coder"))


def alias(pattern: str, model: str = GLM) -> Alias:
    return Alias(pattern, (WeightedTarget("main", model),))


def listed(*allowed: str, aliases: tuple[str, ...] = ()) -> list[str]:
    """What a key for these patterns would see."""
    routes, access = (
        Routes((LISTED,), tuple(map(alias, aliases))),
        Access((allowed,) if allowed else ()),
    )
    known = exact_names(routes, access)
    return [*known, *(made_names(routes, access, known) if allowed else ())]


def test_key_without_patterns_sees_every_name_that_is_spelled_out() -> None:
    assert listed(aliases=("fast", "claude-*")) == ["fast", GLM, "qwen/Coder"]


@pytest.mark.parametrize(
    ("allowed", "aliases", "names"),
    [
        (("zai-org/*",), (), [GLM]),
        (("ZAI-ORG/glm*",), (), [GLM]),
        (("f*",), ("fast", "slow"), ["fast"]),
        (("claude-*",), ("claude-*",), ["claude-GLM-4.5-Air"]),
        (("claude-sonnet-4-5",), ("claude-*",), ["claude-sonnet-4-5"]),
        (("claude-s*",), ("claude-*",), ["claude-s-GLM-4.5-Air"]),
        (("*sonnet*",), ("claude-*",), ["claude-sonnet"]),
        (("claude-*",), ("*haiku*",), ["claude-haiku"]),
        (("team/*",), ("*",), ["team/GLM-4.5-Air"]),
        (("anthropic/*",), (), [f"anthropic/{GLM}", "anthropic/qwen/Coder"]),
        ((f"anthropic/{GLM}",), (), [f"anthropic/{GLM}"]),
        (("claude-opus-4",), (), []),
        (("nothing-*", "no?e", "[n]*"), ("claude-*",), []),
    ],
)
def test_limited_key_sees_what_its_patterns_open(
    allowed: tuple[str, ...], aliases: tuple[str, ...], names: list[str]
) -> None:
    """Observed: an empty list for a key that is for `claude-*`, where an alias catches that."""
    assert listed(*allowed, aliases=aliases) == names


def test_name_must_be_on_each_list() -> None:
    """Those of a key, of its person and of its team."""
    routes = Routes((LISTED,), (alias("claude-*"), alias("fast")))
    access = Access((("claude-*", "fast"), ("*sonnet*", GLM)))
    known = exact_names(routes, access)
    assert [*known, *made_names(routes, access, known)] == ["claude-sonnet"]


def test_key_for_claudes_names_sees_one_where_there_is_a_single_model() -> None:
    routes = Routes((a_backend(models=facts(GLM)),))
    access = Access((("claude-*",),))
    assert list(made_names(routes, access, exact_names(routes, access))) == ["claude-GLM-4.5-Air"]


def test_no_name_is_made_for_a_backend_whose_list_is_not_known() -> None:
    """It takes any name; what a made one means to it is not known. A name of the key's own is one
    that its operator chose."""
    routes, access = Routes((a_backend(),)), Access((("claude-*", "gpt-5"),))
    known = exact_names(routes, access)
    assert list(known) == ["gpt-5"]
    assert made_names(routes, access, known) == {}


def test_name_leads_where_a_request_by_it_goes() -> None:
    """A glob alias goes before the list of a backend."""
    routes = Routes((LISTED,), (alias("zai-*", "qwen/Coder"),))
    assert exact_names(routes)[GLM].targets[0].model == "qwen/Coder"


def test_target_that_a_budget_cannot_count_serves_nobody() -> None:
    def counts(target: Target) -> bool:
        return target.model == GLM

    routes = Routes((LISTED,), (alias("fast"), alias("other", "qwen/Coder")))
    access = Access(counts=counts)
    assert list(exact_names(routes, access)) == ["fast", GLM]
    assert find(routes, "qwen/Coder", access) is None


@pytest.mark.parametrize(("routes", "status"), [(Routes(), 503), (Routes((LISTED,)), 404)])
def test_name_that_leads_nowhere_is_refused(routes: Routes, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        route_of(routes, "claude-sonnet-4-5")
    assert caught.value.status == status
