"""Routing: a name in, a target or a 404 with suggestions out. wire C1 `model`, E1, G12, G13."""

from dataclasses import replace

import pytest

from bridge.routing.resolve import (
    MAX_COMPARED,
    NO_BACKEND,
    resolve,
    suggestions,
    tool_names,
    unknown_model,
)
from bridge.routing.resolve import names as known_names
from bridge.routing.types import Alias, BackendConfig, Routes, Target, ToolName, WeightedTarget
from bridge.translation.errors.api_error import ApiError
from tests.bridge.making import a_backend, facts

GLM = "zai-org/GLM-4.5-Air"
LISTED = a_backend(models=facts(GLM, "vendor/name:free", "Twin", "TWIN", context=4096))
OTHER = a_backend(name="other", id=2, models=facts("other/one", GLM), position=1)
UNLISTED = a_backend(name="open", id=3)


def to(model: str, backend: str = "main") -> Alias:
    """An alias without a name yet."""
    return Alias("", (WeightedTarget(backend, model),))


def routes(*backends: BackendConfig, repair_case: bool = True) -> Routes:
    return Routes(backends or (LISTED, OTHER), repair_case=repair_case)


def mapped(aliases: dict[str, Alias]) -> Routes:
    """Routes with these aliases, by pattern."""
    named = tuple(replace(alias, pattern=pattern) for pattern, alias in aliases.items())
    return Routes((LISTED, OTHER), named)


def found(known: Routes, name: str) -> tuple[str, str]:
    target = resolve(known, name).targets[0]
    return target.backend.name, target.model


@pytest.mark.parametrize(
    "name",
    [GLM, GLM.lower(), GLM.upper(), f"{GLM}[1m]", f"{GLM}[1M]", f"anthropic/{GLM}"],
)
def test_listed_model_is_found_in_these_spellings(name: str) -> None:
    """wire C1: as it is, by case, without `[1m]` and `anthropic/`."""
    assert found(routes(), name) == ("main", GLM)


def test_known_facts_come_along() -> None:
    assert resolve(routes(), GLM.lower()).targets[0].facts.context == 4096


def test_case_is_left_alone_when_the_operator_says_so() -> None:
    """Seeds: AUTO_FIX_MODEL_CASE. P10."""
    with pytest.raises(ApiError):
        resolve(routes(repair_case=False), GLM.lower())
    assert found(routes(repair_case=False), GLM) == ("main", GLM)


def test_exact_spelling_elsewhere_goes_before_repaired_case_here() -> None:
    first = a_backend(models=facts("Model"))
    second = a_backend(name="other", id=2, models=facts("model"))
    assert found(routes(first, second), "model") == ("other", "model")


@pytest.mark.parametrize("name", ["twin", "tWIN"])
def test_case_is_not_guessed_between_two(name: str) -> None:
    """Ours: two models that differ by case only are two models."""
    with pytest.raises(ApiError):
        resolve(routes(), name)
    assert found(routes(), "TWIN") == ("main", "TWIN")


def test_first_backend_that_lists_a_model_gets_it() -> None:
    """models.py: backends are asked in the order of their positions."""
    first = replace(OTHER, position=0)
    last = replace(LISTED, position=1)
    for known in (routes(first, last), routes(last, first)):
        assert found(known, GLM) == ("other", GLM)


def test_exact_alias_goes_before_everything() -> None:
    """wire C1: exact map entry first."""
    known = mapped({GLM: to("other/one", "other"), "zai*": to("Twin")})
    assert found(known, GLM) == ("other", "other/one")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("claude-haiku-4-5", "small"),
        ("claude-3-5-haiku-latest", "small"),
        ("Claude-HAIKU-9", "small"),
        ("claude-haiku-4-5[1m]", "small"),
        ("anthropic/claude-haiku-4-5", "small"),
        ("claude-opus-4", "big"),
        ("gpt-9", "rest"),
    ],
)
def test_most_specific_glob_wins(name: str, model: str) -> None:
    """wire G13: aliases may be globs, most specific first; `*` is the last resort."""
    globs = {"*": to("rest"), "claude-*": to("big"), "claude-*haiku*": to("small")}
    assert found(mapped(globs), name) == ("main", model)


@pytest.mark.parametrize("order", [1, -1])
def test_name_of_a_family_is_more_specific_than_what_all_share(order: int) -> None:
    """wire C1, G13: `*haiku*` catches the haikus beside `claude-*`, whichever comes first."""
    globs = [("claude-*", to("big")), ("*haiku*", to("small")), ("*opus*", to("huge"))]
    known = mapped(dict(globs[::order]))
    assert found(known, "claude-haiku-4-5") == ("main", "small")
    assert found(known, "claude-opus-4-1") == ("main", "huge")
    assert found(known, "claude-sonnet-5") == ("main", "big")


def test_glob_goes_before_the_list_and_catch_all_behind_it() -> None:
    """wire C1: pattern map before the discovered list. Ours: `*` is for what nobody knows."""
    known = mapped({"zai*": to("Twin"), "*": to("rest")})
    assert found(known, GLM) == ("main", "Twin")
    assert found(known, "vendor/name:free") == ("main", "vendor/name:free")


def test_spelling_as_sent_goes_before_the_shortened_one() -> None:
    """wire C1: stripped before the second lookup only."""
    known = mapped({"glm[1m]": to("long"), "glm": to("short")})
    assert found(known, "glm[1m]") == ("main", "long")
    assert found(known, "glm") == ("main", "short")


def test_model_of_an_alias_gets_its_facts_by_repaired_case() -> None:
    target = resolve(mapped({"fast": to(GLM.lower())}), "fast").targets[0]
    assert (target.model, target.facts.context) == (GLM, 4096)


def test_model_of_an_alias_need_not_be_listed() -> None:
    """Ours: lists lag behind; the operator named it."""
    assert found(mapped({"fast": to("brand/new")}), "fast") == ("main", "brand/new")


def test_alias_of_a_backend_that_is_gone_is_passed_over() -> None:
    known = mapped({GLM: to("x", "gone"), "fast": to("x", "gone")})
    assert found(known, GLM) == ("main", GLM)
    with pytest.raises(ApiError):
        resolve(known, "fast")


def test_unknown_list_takes_any_name() -> None:
    """wire C1: pass through when the list is unknown."""
    assert found(routes(LISTED, UNLISTED), "who/knows") == ("open", "who/knows")
    assert found(routes(LISTED, UNLISTED), "who/knows[1m]") == ("open", "who/knows")
    assert found(routes(LISTED, UNLISTED), GLM) == ("main", GLM)


def test_unknown_name_is_not_found_and_the_closest_are_named() -> None:
    """wire E1: `model: X`, newline, `Available models: a, b, c`, closest first. S19."""
    with pytest.raises(ApiError) as caught:
        resolve(routes(), "zai-org/GLM-4.6")
    error = caught.value
    assert (error.status, error.type, error.should_retry) == (404, "not_found_error", False)
    head, listing = error.message.split("\n")
    assert head == "model: zai-org/GLM-4.6"
    assert listing.startswith(f"Available models: {GLM}, ")


def test_name_that_its_backend_does_not_know_is_not_suggested_itself() -> None:
    """An alias whose target has a slip leads to a 404; its own name would not help."""
    known = Routes((a_backend(models=facts("GLM-4.6")),), (replace(to("GLM-46"), pattern="typo"),))
    assert unknown_model(known, "typo").message == "model: typo\nAvailable models: GLM-4.6"


def test_nothing_known_is_not_listed() -> None:
    with pytest.raises(ApiError) as caught:
        resolve(Routes((a_backend(models={}),)), "x")
    assert caught.value.message == "model: x"


@pytest.mark.parametrize("name", ["", "../..", "a" * 5000, "*", "claude\n", "%2F", "[1m]"])
def test_strange_name_is_an_ordinary_unknown_one(name: str) -> None:
    with pytest.raises(ApiError):
        resolve(routes(), name)


def test_at_most_twenty_names_are_suggested() -> None:
    """wire E1: max 20."""
    known = [f"model-{i}" for i in range(300)]
    assert len(suggestions("model", known)) == 20


def test_only_the_first_names_are_compared() -> None:
    """Ours: a list of any length costs no more."""
    known = [f"model-{i}" for i in range(MAX_COMPARED)]
    assert suggestions("modell", [*known, "modell"])[0] != "modell"
    assert suggestions("modell", ["modell", *known])[0] == "modell"


def test_names_are_aliases_first_and_no_globs() -> None:
    """wire F136: alias ids are listed; a pattern is no name."""
    known = mapped({"claude-x": to(GLM), "claude-*": to(GLM), "lost": to("x", "gone")})
    listed = known_names(known)
    assert list(listed) == ["claude-x", GLM, "vendor/name:free", "Twin", "TWIN", "other/one"]
    assert listed["claude-x"].context == 4096


def test_narrower_pattern_names_the_tool() -> None:
    """Seeds: TOOL_NAME_MAP, for all models and for some. P9."""
    rows = (
        ToolName("str_replace", "Edit"),
        ToolName("str_replace", "MultiEdit", "*GLM*"),
        ToolName("shell", "Bash", "zai-org/*"),
        ToolName("shell", "Never", "gpt-*"),
    )
    known = Routes((LISTED,), (), rows)
    assert tool_names(known, GLM) == {"str_replace": "MultiEdit", "shell": "Bash"}
    assert tool_names(known, "Twin") == {"str_replace": "Edit"}


def test_host_is_what_no_message_may_name() -> None:
    backend = a_backend("https://llm.example.com:8443/v1")
    assert (backend.host, backend.is_demo) == ("llm.example.com:8443", False)


def test_key_does_not_show_in_a_representation() -> None:
    """design, Secrets: no key in a log or an error."""
    backend = a_backend(key="cpk_operator")
    assert "cpk_operator" not in repr(Target(backend, "m", facts("m")["m"]))


def test_gateway_without_a_backend_says_so() -> None:
    """Ours: an operator switched off the only one."""
    with pytest.raises(ApiError) as caught:
        resolve(Routes(), "any")
    assert (caught.value.status, caught.value.message) == (503, NO_BACKEND)


# --- a single model ----------------------------------------------------------------------------

SOLE = a_backend(models=facts("only/model"))
NAMES_OF_CLAUDE = ["claude-sonnet-5", "claude-haiku-5-5[1m]", "anthropic/claude-opus-4-8"]


@pytest.mark.parametrize("name", NAMES_OF_CLAUDE)
def test_single_model_serves_the_names_of_claude(name: str) -> None:
    """Observed client: asks for such names for sub-agents and titles, whatever was chosen."""
    assert found(routes(SOLE), name) == ("main", "only/model")
    everywhere = resolve(
        routes(SOLE, a_backend(name="two", id=2, models=facts("only/model"))), name
    )
    assert {target.backend.name for target in everywhere.targets} == {"main", "two"}


@pytest.mark.parametrize("name", ["gpt-5", "claude", "not-claude-x"])
def test_single_model_serves_no_other_name(name: str) -> None:
    with pytest.raises(ApiError):
        resolve(routes(SOLE), name)


def test_of_several_models_none_serves_the_names_of_claude() -> None:
    """Ours: a request for one model is never answered by another that somebody may not mean."""
    with pytest.raises(ApiError):
        resolve(routes(SOLE, a_backend(name="two", id=2, models=facts("another"))), "claude-x")


def test_alias_goes_before_the_single_model() -> None:
    alias = Alias("claude-*", (WeightedTarget("main", "tuned/model"),))
    assert found(Routes((SOLE,), (alias,)), "claude-x") == ("main", "tuned/model")
