"""Who worked in a session, and for which prompt: from what clients report, honest or not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dashboard.usage.agents import AgentUse, agent_tree
from dashboard.usage.compactions import compactions
from dashboard.usage.prompts import user_prompts
from dashboard.usage.turns import Turn, TurnSums

START = datetime(2025, 3, 20, 9, tzinfo=UTC)


def turns(*given: dict[str, Any]) -> list[Turn]:
    """Turns of 10 tokens and one billionth of a dollar each, ten seconds apart."""
    return [_turn(number, **fields) for number, fields in enumerate(given, 1)]


def _turn(number: int, **fields: Any) -> Turn:
    own: dict[str, Any] = {
        "request_id": f"req_{number}",
        "time": START + timedelta(seconds=10 * number),
        "status": 200,
        "outcome": "answered",
        "asked_model": "m",
        "model": "m",
        "input_tokens": 8,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "output_tokens": 2,
        "cost_nano_usd": 1,
        "prompt_bytes": 32,
        "repeated_bytes": 0,
        "first_token_ms": None,
        "duration_ms": 4000,
        "request_class": "main",
    }
    return Turn(number, **{**own, **fields})


def agent(agent_id: str, parent: str = "", **fields: Any) -> dict[str, Any]:
    own = {"agent_id": agent_id, "parent_agent_id": parent, "request_class": "subagent"}
    return {**own, **fields}


def drawn(uses: list[AgentUse]) -> list[tuple[str, int]]:
    return [(use.agent_id or use.request_class, use.depth) for use in uses]


# --- agents -------------------------------------------------------------------------------------


def test_agents_stand_below_the_one_that_started_them() -> None:
    tree = agent_tree(
        turns(
            {"request_class": "auxiliary"},
            {},
            agent("a", agent_type="Plan"),
            agent("b"),
            agent("a.1", "a"),
            agent("a.1.1", "a.1"),
            agent("a.2", "a"),
            {"request_class": "compaction", "compaction": "auto"},
            {},
        )
    )
    assert drawn(tree) == [
        ("main", 0),
        ("auxiliary", 0),
        ("compaction", 0),
        ("a", 1),
        ("a.1", 2),
        ("a.1.1", 3),
        ("a.2", 2),
        ("b", 1),
    ]
    whole = {use.agent_id: use.whole for use in tree}
    assert whole["a"] == TurnSums(4, 40, 4)
    assert whole["a.1"] == TurnSums(2, 20, 2)
    assert whole["b"] == TurnSums(1, 10, 1)
    assert next(use for use in tree if use.agent_id == "a").agent_type == "Plan"


def test_every_turn_is_counted_once_in_its_own_line() -> None:
    given = turns({}, agent("a"), agent("b", "a"), agent("b", "a"), {"request_class": "auxiliary"})
    assert sum((use.own for use in agent_tree(given)), TurnSums()) == TurnSums.of(given)


@pytest.mark.parametrize(
    "given",
    [
        [agent("a", "nobody")],
        [agent("a", "a")],
        [agent("a", "b"), agent("b", "a")],
        [agent("a", "b"), agent("b", "c"), agent("c", "a"), agent("d", "b")],
        [{}, agent("a"), agent("b", "a", agent_type="x"), agent("a", "b")],
    ],
    ids=["missing parent", "own parent", "two in a ring", "three and a tail", "late ring"],
)
def test_a_tree_that_is_none_still_has_every_agent_once(given: list[dict[str, Any]]) -> None:
    """Clients choose the ids."""
    tree = agent_tree(turns(*given))
    ids = [use.agent_id for use in tree if use.agent_id]
    assert sorted(ids) == sorted({each["agent_id"] for each in given if "agent_id" in each})
    assert sum((use.own for use in tree), TurnSums()).requests == len(given)
    assert max(use.whole.requests for use in tree) <= len(given)


def test_a_chain_of_two_thousand_agents_is_drawn() -> None:
    given = [agent("0"), *(agent(str(n), str(n - 1)) for n in range(1, 2000))]
    tree = agent_tree(turns(*given))
    assert tree[-1].depth == 2000
    assert tree[0].whole == TurnSums(2000, 20_000, 2000)


def test_a_cost_that_is_not_known_stays_unknown() -> None:
    tree = agent_tree(turns(agent("a", cost_nano_usd=None), agent("b", "a"), agent("c", "z")))
    by_id = {use.agent_id: use for use in tree}
    assert by_id["a"].own.cost is None
    assert by_id["a"].whole.cost == 1


# --- prompts ------------------------------------------------------------------------------------


def test_turns_are_put_together_by_the_prompt_that_they_serve() -> None:
    first, second = user_prompts(
        turns(
            {"prompt_id": "p1"},
            agent("a", prompt_id="p1"),
            agent("a", prompt_id="p1"),
            {"prompt_id": ""},
            {"prompt_id": "p2", "compaction": "manual"},
            {"prompt_id": "p1", "duration_ms": 500},
        )
    )
    assert (first.number, first.prompt_id, first.agents, first.sums.requests) == (1, "p1", 1, 4)
    assert first.ms == 50_500
    assert (second.number, second.compactions, second.ms) == (2, 1, 4000)


# --- compactions --------------------------------------------------------------------------------


def test_a_compaction_that_the_client_reports_needs_no_guess() -> None:
    given = turns(
        {"prompt_id": "p1", "input_tokens": 900},
        agent("a", prompt_id="p1", input_tokens=50),
        {"prompt_id": "p2", "request_class": "compaction", "compaction": "auto"},
        {"prompt_id": "p2", "request_class": "auxiliary"},
        {"prompt_id": "p2", "compacted": "auto", "input_tokens": 100},
    )
    (found,) = compactions(given)
    assert (found.before.number, found.after.number, found.why) == (1, 5, "auto")
    assert found.saved == 800


def test_nothing_is_guessed_of_turns_whose_client_reports() -> None:
    """What looks like a compaction is none, where its client would have reported it."""
    sizes = (40_000, 80_000, 160_000, 40_000, 60_000, 80_000)
    fields = [
        {"prompt_bytes": size, "input_tokens": size // 4, "repeated_bytes": min(size, last)}
        for last, size in pairwise((0, *sizes))
    ]
    fields[3]["repeated_bytes"] = 30_000
    assert compactions(turns(*fields))
    assert compactions(turns(*({**each, "prompt_id": "p"} for each in fields))) == []


def test_one_that_has_nothing_before_it_is_left_out() -> None:
    assert compactions(turns({"compacted": "auto"}, agent("a", compacted="auto"))) == []
