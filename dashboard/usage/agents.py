"""Who worked in a session: its main conversation, side calls, and the tree of its sub-agents. Pure.

Clients choose the ids, so the tree bears what no honest one sends: a parent that is not there, an
agent below itself, chains of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridge.models.usage import JUDGE_CLASS
from dashboard.usage.turns import Turn, TurnSums

SIDE_CLASSES = ("auxiliary", "compaction", "workflow", JUDGE_CLASS)
"""Classes that do not belong to the main conversation, where no agent sent the request."""

Place = tuple[str, str]
"""Agent id, and the class of what has none."""
MAIN_PLACE: Place = ("", "")


@dataclass(frozen=True, slots=True)
class AgentUse:
    """What one sub-agent used; or, without `agent_id`, the main conversation or a side class.

    own     its own turns;  whole   with those of all agents below it
    """

    agent_id: str
    agent_type: str
    request_class: str
    depth: int
    own: TurnSums
    whole: TurnSums


def place_of(turn: Turn) -> Place:
    if turn.agent_id:
        return turn.agent_id, ""
    return "", turn.request_class if turn.request_class in SIDE_CLASSES else ""


def agent_tree(turns: Sequence[Turn]) -> list[AgentUse]:
    """Each of them behind the one that started it, in the order of their first turns."""
    groups: dict[Place, list[Turn]] = {}
    for turn in turns:
        groups.setdefault(place_of(turn), []).append(turn)
    parents = {place: _parent(place, own, groups) for place, own in groups.items()}
    order = _in_order(groups, parents)
    own_sums = {place: TurnSums.of(groups[place]) for place, _, _ in order}
    whole = dict(own_sums)
    for place, parent, _ in reversed(order):
        if parent in whole and parent != MAIN_PLACE:
            whole[parent] += whole[place]
    return [
        AgentUse(
            place[0],
            _last(turn.agent_type for turn in groups[place]),
            place[1] or _last(turn.request_class for turn in groups[place]),
            depth,
            own_sums[place],
            whole[place],
        )
        for place, _, depth in order
    ]


def _parent(place: Place, own: Sequence[Turn], groups: dict[Place, list[Turn]]) -> Place:
    """The agent that started this one; the main conversation where that is not known."""
    agent_id, request_class = place
    if not agent_id:
        return MAIN_PLACE
    parent = (_last(turn.parent_agent_id for turn in own), request_class)
    return parent if parent in groups and parent != place else MAIN_PLACE


def _in_order(
    groups: Iterable[Place], parents: dict[Place, Place]
) -> list[tuple[Place, Place, int]]:
    """(place, parent, depth): parents in front of their children, everything exactly once."""
    below: dict[Place, list[Place]] = {}
    for place in groups:
        if place != MAIN_PLACE:
            below.setdefault(parents[place], []).append(place)
    found: dict[Place, tuple[Place, Place, int]] = {}
    # What only hangs on itself is not reached from the top: it is taken as if it hung there.
    for top in sorted(groups, key=lambda place: _rank(place, parents[place])):
        waiting = [(top, MAIN_PLACE, _depth(top))]
        while waiting:
            place, parent, depth = waiting.pop()
            if place in found:
                continue
            found[place] = (place, parent, depth)
            children = below.get(place, []) if place != MAIN_PLACE else []
            waiting += [(child, place, depth + 1) for child in reversed(children)]
    return list(found.values())


def _rank(place: Place, parent: Place) -> tuple[bool, bool, bool]:
    """The main conversation first, then side calls, agents, and last what is not at the top."""
    return parent != MAIN_PLACE, bool(place[0]), place != MAIN_PLACE


def _depth(place: Place) -> int:
    return 1 if place[0] else 0


def _last(words: Iterable[str]) -> str:
    """The last of them that says something."""
    found = ""
    for word in words:
        found = word or found
    return found
