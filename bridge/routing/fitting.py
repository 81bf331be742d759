"""Which targets a prompt fits, by the window that is known of each. Pure.

What is compared is an estimate, so each step of it errs towards serving:

- Room for an answer means what was asked for, but not more than MOST_OUTPUT, and not more than half
  of the window: else a model with a window of 32,000 would seldom serve Claude Code beside one with
  a larger window, and one with 8,000 never.
- A target with less room than that serves with a shorter answer. It comes behind those with room,
  so that the longest answer is trimmed only where nobody else can give it.
- One that the prompt alone fills is left out while any other may serve.
- Where the prompt fits nobody, the target with the largest window is tried nevertheless, and its
  backend has the last word. The request is refused here only where the prompt would be too long
  even if each of its tokens stood for many more bytes than expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Generic, Protocol, TypeVar

from bridge.routing.conditions import RequestTraits
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.context_overflow import TOO_LONG_IN_WORDS, too_long
from bridge.translation.profiles import ModelFacts
from bridge.translation.tokens import BYTES_PER_TOKEN

MOST_OUTPUT = 8192
"""Tokens of an answer that room is kept for, and a budget reserves, at most. Clients ask for room
that they hardly ever use: Claude Code for 32,000 tokens, where its answers have some hundreds."""
SMALLEST_ANSWER = 256
"""Tokens; a shorter one is not worth having."""
KNOWN_RATIO_MARGIN = 1.25
UNKNOWN_RATIO_MARGIN = 2.0
"""How many times more bytes a token may hold than expected: where a model's replies have taught
what to expect, and where they have not."""


class Fit(IntEnum):
    """How a prompt fits a window, the best first."""

    WHOLE = 0
    SHORTER_ANSWER = 1
    DOUBTFUL = 2
    NOT = 3


class Place(Protocol):
    """Where a request may go."""

    @property
    def backend_name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def facts(self) -> ModelFacts: ...


T = TypeVar("T", bound=Place)


@dataclass(frozen=True, slots=True)
class Fitting(Generic[T]):
    """Targets in the order in which they are asked, and those passed over; each with a reason.

    last   those that serve with a shorter answer and had to let others go first
    """

    targets: tuple[T, ...]
    passed: tuple[tuple[T, str], ...] = ()
    last: tuple[tuple[T, str], ...] = ()


def fit(traits: RequestTraits, place: Place) -> Fit:
    """How a request fits one target; WHOLE where no window is known."""
    window = place.facts.context
    if not window:
        return Fit.WHOLE
    tokens = traits.tokens(place.backend_name, place.model)
    room = answer_room(traits, place)
    if tokens + room <= window:
        return Fit.WHOLE
    if tokens + min(room, SMALLEST_ANSWER) <= window:
        return Fit.SHORTER_ANSWER
    return Fit.NOT if _fewest_tokens(traits, place) > window else Fit.DOUBTFUL


def answer_room(traits: RequestTraits, place: Place) -> int:
    """Tokens that are kept for the answer in a window that is known."""
    longest = place.facts.longest_answer or MOST_OUTPUT
    return min(traits.max_tokens, longest, MOST_OUTPUT, _window(place) // 2)


def _fewest_tokens(traits: RequestTraits, place: Place) -> int:
    """As few as the prompt's text can reasonably be; images may be left out on the way."""
    ratio = traits.ratio(place.backend_name, place.model)
    margin = UNKNOWN_RATIO_MARGIN if ratio is None else KNOWN_RATIO_MARGIN
    return round(traits.prompt.text_bytes / (ratio or BYTES_PER_TOKEN) / margin)


def fitting(traits: RequestTraits, targets: Sequence[T]) -> Fitting[T]:
    """The targets that a request fits. None: it clearly fits none of them."""
    fits = [(fit(traits, target), target) for target in targets]
    if all(how is Fit.WHOLE for how, _ in fits):
        return Fitting(tuple(targets))
    best = min((how for how, _ in fits), default=Fit.NOT)
    if best is Fit.NOT:
        kept: list[T] = []
    elif best is Fit.DOUBTFUL:
        kept = [target for how, target in fits if how is Fit.DOUBTFUL]
        kept.sort(key=_window, reverse=True)
    else:
        shorter = [target for how, target in fits if how is Fit.SHORTER_ANSWER]
        shorter.sort(key=_window, reverse=True)
        kept = [target for how, target in fits if how is Fit.WHOLE] + shorter
    passed = tuple((t, reason(traits, t)) for how, t in fits if t not in kept)
    moved = [t for how, t in fits if how is Fit.SHORTER_ANSWER] if best is Fit.WHOLE else []
    return Fitting(tuple(kept), passed, tuple((t, reason(traits, t)) for t in moved))


def overflow(traits: RequestTraits, targets: Sequence[T]) -> ApiError:
    """The answer on which Claude Code compacts, with the numbers of the widest target."""
    widest = max(targets, key=_window)
    tokens = traits.tokens(widest.backend_name, widest.model)
    return too_long(tokens, _window(widest), more=TOO_LONG_IN_WORDS)


def _window(place: Place) -> int:
    return place.facts.context or 0


def reason(traits: RequestTraits, place: Place) -> str:
    """Why a target does not fit, or not well."""
    tokens, room = traits.tokens(place.backend_name, place.model), answer_room(traits, place)
    return (
        f"about {tokens:,} tokens and {room:,} for the answer exceed its window of "
        f"{_window(place):,}"
    )
