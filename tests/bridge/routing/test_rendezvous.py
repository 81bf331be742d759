"""Shares: who is served where, over many conversations. Ours; as the help texts of the rows say."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.routing.rendezvous import evenly, ranked

MANY = [f"session-{number}" for number in range(4000)]
"""Conversations. What they share is no accident: the choice depends on nothing but the names."""


@dataclass(frozen=True, slots=True)
class One:
    label: str
    weight: int = 1
    position: int = 0


A, B, C = One("a", 1), One("b", 2), One("c", 5)
labels = st.text("abcdef-/.:", min_size=1, max_size=8)
some = st.lists(
    st.builds(One, labels, st.integers(0, 9), st.integers(0, 2)),
    max_size=8,
    unique_by=lambda choice: choice.label,
)


def firsts(*choices: One) -> Counter[str]:
    """How many conversations are served by each."""
    return Counter(ranked(choices, sticky)[0].label for sticky in MANY)


@pytest.mark.parametrize(
    "weights", [(1, 1), (1, 3), (9, 1), (1, 1, 1), (1, 2, 5), (100, 100, 50), (1, 999)]
)
def test_shares_are_as_the_weights_say(weights: tuple[int, ...]) -> None:
    """routes.py: share of the requests among targets of one position.

    Within four standard deviations of what even chance would give.
    """
    choices = [One(f"backend-{i}", weight) for i, weight in enumerate(weights)]
    served = firsts(*choices)
    for choice in choices:
        share = choice.weight / sum(weights)
        spread = (len(MANY) * share * (1 - share)) ** 0.5
        assert served[choice.label] == pytest.approx(len(MANY) * share, abs=4 * spread)


def test_second_choices_are_shared_as_well() -> None:
    """Ours: when a backend fails, its requests do not all fall on one neighbour."""
    orphans = [order for s in MANY if (order := ranked([A, B, C], s))[0] is C]
    seconds = Counter(order[1].label for order in orphans)
    assert seconds["b"] == pytest.approx(2 * seconds["a"], rel=0.2)


@given(some, st.text(max_size=40))
def test_same_conversation_has_the_same_order(choices: list[One], sticky: str) -> None:
    """Ours: a prefix cache is where the conversation began. The order of the rows is nothing."""
    order = ranked(choices, sticky)
    assert sorted(order, key=repr) == sorted(choices, key=repr)
    told = [one for one in ranked(choices[::-1], sticky) if one.weight]
    assert told == [one for one in order if one.weight]


@given(some, st.text(max_size=40), st.data())
def test_target_that_leaves_takes_nobody_with_it(
    choices: list[One], sticky: str, data: st.DataObject
) -> None:
    """Ours: only the conversations move that have to; and back when it is there again."""
    if not choices:
        return
    leaving = data.draw(st.sampled_from(choices))
    staying = [choice for choice in choices if choice is not leaving]
    kept = [choice for choice in ranked(choices, sticky) if choice is not leaving]
    assert ranked(staying, sticky) == kept


@given(some, st.text(max_size=40))
def test_position_goes_before_weight_and_weight_nought_is_last(
    choices: list[One], sticky: str
) -> None:
    """routes.py: 0 comes first; higher ones when those before cannot answer."""
    order = [(choice.position, choice.weight == 0) for choice in ranked(choices, sticky)]
    assert order == sorted(order)


def test_greater_weight_moves_conversations_to_it_and_no_others() -> None:
    """Ours: an operator who shifts some load does not reshuffle the rest."""
    heavier = replace(A, weight=4)
    moved = 0
    for sticky in MANY:
        before, after = ranked([A, B, C], sticky)[0], ranked([heavier, B, C], sticky)[0]
        if before.label != after.label:
            moved += 1
            assert after is heavier
    assert moved > 0


def test_weight_nought_serves_nobody_while_another_can() -> None:
    """routes.py: how an operator drains a target."""
    drained = replace(C, weight=0)
    assert firsts(A, drained) == {"a": len(MANY)}
    assert firsts(drained, replace(A, position=1)) == {"c": len(MANY)}


@pytest.mark.parametrize("choices", [[], [A]])
def test_little_to_choose_from_is_taken_as_it_is(choices: list[One]) -> None:
    order = ranked(choices, "s")
    assert order == choices
    assert order is not choices


@pytest.mark.parametrize("digest", [bytes(8), b"\xff" * 8])
def test_no_digest_is_at_either_end(digest: bytes) -> None:
    """Ours: a logarithm of 0 or 1 would be one failed request in a very long time."""
    assert 0.0 < evenly(digest) < 1.0
