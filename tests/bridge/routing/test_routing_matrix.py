"""Classes by sizes by images through one alias: each request goes where it should, or says why not.

W1, W2, W3, W4, W5, W6, W7, W8.
"""

from __future__ import annotations

from itertools import product

import pytest

from bridge.routing.conditions import ALWAYS, Conditions, RequestTraits
from bridge.routing.fitting import MOST_OUTPUT, SMALLEST_ANSWER, Fit, fit
from bridge.routing.resolve import NoRouteError, explain, resolve
from bridge.routing.types import Alias, Routes, Target, WeightedTarget
from bridge.translation.errors.context_overflow import recognise
from bridge.translation.profiles import ModelFacts
from bridge.translation.prompt_size import PromptSize
from bridge.translation.request.purpose import REQUEST_CLASSES
from tests.bridge.making import a_backend

WINDOWS = {
    "cheap": 8_192,
    "long": 1_000_000,
    "seer": 32_768,
    "huge": 400_000,
    "usual": 131_072,
    "unknown": None,
}
TAKES = {
    "cheap": Conditions(request_classes=("subagent", "auxiliary")),
    "long": Conditions(request_classes=("compaction",)),
    "seer": Conditions(has_image=True),
    "huge": Conditions(prompt_above=100_000),
    "usual": ALWAYS,
}
MODELS = {name: ModelFacts(name, context=window) for name, window in WINDOWS.items()}
CHOICES = tuple(
    WeightedTarget("main", name, position=position, conditions=conditions)
    for position, (name, conditions) in enumerate(TAKES.items())
)
ROUTES = Routes((a_backend(models=MODELS),), (Alias("fast", CHOICES),))

CLASSES = (*REQUEST_CLASSES, "", "newer")
SIZES = (
    0,
    4_000,
    7_000,
    20_000,
    60_000,
    99_000,
    110_000,
    250_000,
    390_000,
    500_000,
    900_000,
    1_500_000,
    5_000_000,
)
IMAGES = (0, 1, 5)
ANSWERS = (100, 32_000)
EVERY = list(product(SIZES, IMAGES, ANSWERS))
MARGIN = 2
"""How many times shorter a prompt may be than it is estimated, where no reply taught better."""


def request_of(request_class: str, tokens: int, images: int, answer: int) -> RequestTraits:
    text = PromptSize.of_tokens(tokens).text_bytes
    return RequestTraits(request_class, prompt=PromptSize(text, images), max_tokens=answer)


def taking(seen: RequestTraits) -> list[str]:
    """The models that take a request, in their order, as an operator would say it."""
    tokens = seen.tokens("main", "m")
    conditions = {
        "cheap": seen.request_class in ("subagent", "auxiliary"),
        "long": seen.request_class == "compaction",
        "seer": seen.prompt.images > 0,
        "huge": tokens >= 100_000,
        "usual": True,
    }
    return [name for name, takes in conditions.items() if takes]


def room(name: str, seen: RequestTraits) -> int:
    return min(seen.max_tokens, 8_192, (WINDOWS[name] or 0) // 2)


def expected(seen: RequestTraits) -> list[str]:
    """Those with room for prompt and answer in their order, then those with room for the prompt
    and a short answer, the larger window first. [] where this says nothing."""
    tokens, names = seen.tokens("main", "m"), taking(seen)
    whole = [name for name in names if tokens + room(name, seen) <= (WINDOWS[name] or 0)]
    short = [
        name
        for name in names
        if name not in whole and tokens + min(room(name, seen), 256) <= (WINDOWS[name] or 0)
    ]
    return whole + sorted(short, key=lambda name: -(WINDOWS[name] or 0))


@pytest.mark.parametrize("request_class", CLASSES)
def test_requests_go_to_those_that_take_and_fit_them(request_class: str) -> None:
    for tokens, images, answer in EVERY:
        seen = request_of(request_class, tokens, images, answer)
        wanted = expected(seen)
        if wanted:
            targets = resolve(ROUTES, "fast", "s", traits=seen).targets
            assert [target.model for target in targets] == wanted, seen


@pytest.mark.parametrize("request_class", CLASSES)
def test_prompts_that_fit_none_are_tried_or_refused(request_class: str) -> None:
    """Tried at the largest window first, while the estimate may be wrong; else refused with the
    numbers on which clients compact."""
    tried = refused = 0
    for tokens, images, answer in EVERY:
        seen = request_of(request_class, tokens, images, answer)
        if expected(seen):
            continue
        largest = max(WINDOWS[name] or 0 for name in taking(seen))
        try:
            first = resolve(ROUTES, "fast", "s", traits=seen).targets[0]
        except NoRouteError as error:
            sizes = recognise(error.message, {})
            assert error.status == 400 and sizes is not None
            assert sizes.context == largest
            assert sizes.prompt == seen.tokens("main", "m") > largest
            assert tokens > MARGIN * largest
            refused += 1
        else:
            assert first.facts.context == largest
            assert tokens <= MARGIN * largest
            tried += 1
    assert tried and refused


@pytest.mark.parametrize("request_class", CLASSES)
def test_a_target_of_unknown_window_takes_every_size(request_class: str) -> None:
    last = WeightedTarget("main", "unknown", position=9)
    routes = Routes(ROUTES.backends, (Alias("fast", (*CHOICES, last)),))
    for tokens, images, answer in EVERY:
        seen = request_of(request_class, tokens, images, answer)
        models = [target.model for target in resolve(routes, "fast", "s", traits=seen).targets]
        assert "unknown" in models
        whole = [n for n in expected(seen) if fit(seen, _target(n)) is Fit.WHOLE]
        assert models[: len(whole) + 1] == [*whole, "unknown"]


@pytest.mark.parametrize("request_class", CLASSES)
def test_every_target_is_asked_or_named_with_a_reason(request_class: str) -> None:
    """Nothing is passed over in silence."""
    for tokens, images, answer in EVERY:
        seen = request_of(request_class, tokens, images, answer)
        steps, route = explain(ROUTES, "fast", "s", traits=seen)
        asked = {target.model for target in getattr(route, "targets", ())}
        named = {name for name in TAKES if any(f"leaves out main: {name}" in s for s in steps)}
        assert asked | named == set(TAKES) and not asked & named, steps


def test_the_numbers_of_the_margins_are_those_that_the_matrix_means() -> None:
    assert (MOST_OUTPUT, SMALLEST_ANSWER) == (8_192, 256)


def _target(name: str) -> Target:
    return Target(ROUTES.backends[0], name, MODELS[name])
