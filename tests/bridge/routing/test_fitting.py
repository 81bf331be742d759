"""Targets whose window a prompt does not fit: passed over, put last, or refused, with margins."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridge.routing.conditions import RequestTraits
from bridge.routing.fitting import MOST_OUTPUT
from bridge.routing.resolve import NoRouteError, explain, resolve
from bridge.routing.types import Alias, Routes, WeightedTarget
from bridge.translation.errors.context_overflow import recognise
from bridge.translation.prompt_size import PromptSize
from tests.bridge.making import a_backend, facts


def windows(**sizes: int | None) -> Routes:
    """An alias of one target for each window, in this order, each at a backend of its own."""
    backends = tuple(
        a_backend(name=name, id=i, models=facts("m", context=size), position=i)
        for i, (name, size) in enumerate(sizes.items(), 1)
    )
    choices = tuple(WeightedTarget(b.name, "m", 1, b.position) for b in backends)
    return Routes(backends, (Alias("fast", choices),))


def traits(tokens: int, max_tokens: int = 100, ratio: float | None = None) -> RequestTraits:
    size = PromptSize(round(tokens * (ratio or 4.0)))
    return RequestTraits("main", prompt=size, max_tokens=max_tokens, ratio=lambda b, m: ratio)


def asked(where: Routes, seen: RequestTraits, name: str = "fast") -> list[str]:
    return [target.backend.name for target in resolve(where, name, traits=seen).targets]


@pytest.mark.parametrize("name", ["fast", "m"])
def test_a_target_whose_window_is_too_small_is_passed_over(name: str) -> None:
    where = windows(small=8_000, large=100_000)
    assert asked(where, traits(7_000), name) == ["small", "large"]
    assert asked(where, traits(20_000), name) == ["large"]


def test_the_answer_needs_room_as_well() -> None:
    where = windows(small=8_000, large=100_000)
    assert asked(where, traits(5_000, 3_000)) == ["small", "large"]
    assert asked(where, traits(5_000, 3_001)) == ["large", "small"]


def test_the_room_that_claude_code_asks_for_by_habit_moves_nothing() -> None:
    """It asks for 32,000 tokens with every request, and uses some hundreds."""
    where = windows(usual=32_000, dear=200_000)
    assert asked(where, traits(14_000, 32_000)) == ["usual", "dear"]
    assert asked(where, traits(32_000 - MOST_OUTPUT + 1, 32_000)) == ["dear", "usual"]


def test_half_of_a_small_window_is_room_enough() -> None:
    """An answer that may be as long as the window would leave it no prompt at all."""
    where = windows(small=8_192, large=100_000)
    assert asked(where, traits(4_096, 32_000)) == ["small", "large"]
    assert asked(where, traits(4_097, 32_000)) == ["large", "small"]


def test_the_longest_answer_of_a_model_bounds_its_room() -> None:
    short = a_backend(name="short", id=1, models=facts("m", context=8_000, max_output=1_000))
    large = a_backend(name="large", id=2, models=facts("m", context=100_000), position=1)
    assert asked(Routes((short, large)), traits(6_500, 8_000), "m") == ["short", "large"]


def test_without_a_better_one_a_target_serves_with_a_shorter_answer() -> None:
    assert asked(windows(small=8_000), traits(7_000, 4_000)) == ["small"]
    assert asked(windows(a=8_000, b=9_000), traits(7_500, 8_000)) == ["b", "a"]


def test_an_unknown_window_fits_everything() -> None:
    where = windows(small=8_000, unknown=None)
    assert asked(where, traits(1_000_000)) == ["unknown"]
    assert asked(windows(unknown=None), traits(1_000_000)) == ["unknown"]


def test_a_target_that_the_prompt_fills_is_no_fallback_for_one_that_fits() -> None:
    """Its 400 would make the client compact, where the other one was only busy."""
    assert asked(windows(large=100_000, small=8_000), traits(9_000)) == ["large"]


@pytest.mark.parametrize(("ratio", "margin"), [(None, 2.0), (3.0, 1.25)])
def test_only_a_prompt_that_is_clearly_too_long_is_refused(
    ratio: float | None, margin: float
) -> None:
    where = windows(small=8_000, large=10_000)
    doubtful = int(10_000 * margin)
    assert asked(where, traits(doubtful, ratio=ratio))[0] == "large"
    with pytest.raises(NoRouteError):
        asked(where, traits(doubtful + 10, ratio=ratio))


def test_the_refusal_makes_claude_code_compact() -> None:
    with pytest.raises(NoRouteError) as refused:
        asked(windows(small=8_000, large=10_000), traits(90_000, 32_000))
    error = refused.value
    assert error.status == 400
    assert error.message == (
        "prompt is too long: 90000 tokens > 10000 maximum (capability_rejected: prompt_too_long)"
    )
    assert error.error_code == "capability_rejected: prompt_too_long"
    sizes = recognise(error.message, {})
    assert sizes is not None and (sizes.prompt, sizes.context) == (90_000, 10_000)
    assert error.steps[-1] == "the prompt fits no window"


def test_images_alone_never_refuse_a_request() -> None:
    """They may be left out for a model that reads none."""
    seen = replace(traits(10), prompt=PromptSize(40, images=100))
    assert asked(windows(small=8_000), seen) == ["small"]
    assert asked(windows(small=8_000, large=200_000), seen) == ["large"]


def test_where_a_prompt_is_only_measured_windows_do_not_count() -> None:
    seen = replace(traits(90_000), must_fit=False)
    assert asked(windows(small=8_000, large=10_000), seen) == ["small", "large"]


def test_the_steps_say_what_was_passed_over_and_why() -> None:
    where = windows(tiny=4_000, small=21_000, large=100_000)
    steps, _ = explain(where, "fast", traits=traits(20_000, 4_000))
    sizes = "about 20,000 tokens and {} for the answer exceed its window of {}"
    assert f"leaves out tiny: m: {sizes.format('2,000', '4,000')}" in steps
    last = "small: m comes last, with a shorter answer: "
    assert last + sizes.format("4,000", "21,000") in steps
    assert steps[-1] == "goes to large: m, then small: m"
