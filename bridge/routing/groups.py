"""The targets of an alias that take a request, in the order in which they are asked. Pure.

Targets with equal conditions are a group. The first group whose conditions are met wins: among its
targets positions and weights decide as ever. Groups behind it that are met as well are for when
none of these can answer; so one target without conditions catches whatever the others leave.

Groups stand in the order of their lowest positions, and at the same position one with conditions
stands before the one without. A model that takes a request in two groups is asked in the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from bridge.routing.conditions import ALWAYS, Conditions, RequestTraits
from bridge.routing.rendezvous import Weighted, ranked
from bridge.translation.request.purpose import MAIN

MAIN_CONVERSATION = RequestTraits(request_class=MAIN, asks_to_think=True)
"""As Claude Code sends it."""


class Conditional(Weighted, Protocol):
    """A target of an alias."""

    @property
    def backend(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def conditions(self) -> Conditions: ...


T = TypeVar("T", bound=Conditional)


@dataclass(frozen=True, slots=True)
class Taking(Generic[T]):
    """Those that take a request, the first to be asked first, and the others with what is unmet."""

    taken: tuple[T, ...]
    passed: tuple[tuple[T, tuple[str, ...]], ...] = ()


def taking(choices: Sequence[T], traits: RequestTraits | None, sticky: str) -> Taking[T]:
    """Who takes a request. `sticky` names its conversation.

    Without `traits` all do, and those come first that a main conversation would get.
    """
    judged = [(choice, _unmet(choice, traits or MAIN_CONVERSATION)) for choice in choices]
    taken = _in_order([choice for choice, unmet in judged if not unmet], sticky)
    passed = tuple((choice, unmet) for choice, unmet in judged if unmet)
    if traits is None:
        return Taking((*taken, *_in_order([choice for choice, _ in passed], sticky)))
    return Taking(tuple(_once(taken)), passed)


def _once(choices: Sequence[T]) -> Iterator[T]:
    """Without those whose model stands in a group before theirs."""
    first: dict[tuple[str, str], Conditions] = {}
    for choice in choices:
        known = first.setdefault((choice.backend, choice.model), choice.conditions)
        if known == choice.conditions:
            yield choice


def _unmet(choice: Conditional, traits: RequestTraits) -> tuple[str, ...]:
    if choice.conditions == ALWAYS:
        return ()
    return choice.conditions.unmet(traits, traits.tokens(choice.backend, choice.model))


def _in_order(choices: Sequence[T], sticky: str) -> list[T]:
    groups: dict[Conditions, list[T]] = {}
    for choice in choices:
        groups.setdefault(choice.conditions, []).append(choice)
    ordered = sorted(groups.values(), key=_place)
    return [choice for group in ordered for choice in ranked(group, sticky)]


def _place(group: Sequence[Conditional]) -> tuple[int, bool]:
    return min(choice.position for choice in group), group[0].conditions == ALWAYS
