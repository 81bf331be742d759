"""What requests are for, in words. Pure."""

from __future__ import annotations

from bridge.models.usage import JUDGE_CLASS, OTHER_CLASS
from dashboard.display.cells import Branch
from dashboard.usage.agents import AgentUse
from dashboard.usage.turns import Turn

UNKNOWN_CLASS = "unknown"
"""Stands in addresses for requests whose client named no class."""
CLASSES = {
    "main": "Main conversation",
    "subagent": "Sub-agents",
    "workflow": "Workflows",
    "compaction": "Compaction",
    "auxiliary": "Titles and other side calls",
    JUDGE_CLASS: "Verdicts for auto mode",
    OTHER_CLASS: "Other",
    "": "Not known",
}
"""Class as sums have it -> what it is called."""
BESIDE = ("subagent", "compaction", "auxiliary")
"""What costs beside the main conversation without being asked for."""
SHOWN_OF_AGENT = 8


def class_name(request_class: str) -> str:
    return CLASSES.get(request_class, request_class)


def agent_name(agent_type: str, agent_id: str) -> str:
    """An agent in short: its type and the beginning of its id."""
    beginning = agent_id[:SHOWN_OF_AGENT]
    return f"{agent_type or 'sub-agent'} {beginning}{'…' if beginning != agent_id else ''}"


def sender(turn: Turn) -> str:
    """Who sent a turn; "" for the main conversation."""
    if turn.agent_id:
        return agent_name(turn.agent_type, turn.agent_id)
    if turn.compaction:
        return f"compaction ({turn.compaction})"
    return "" if turn.request_class == "main" else turn.request_class


def branch(use: AgentUse) -> Branch:
    """A line of the tree of those who worked in a session."""
    if not use.agent_id:
        return Branch(class_name(use.request_class or "main"), use.depth)
    name = agent_name(use.agent_type, use.agent_id)
    return Branch(name, use.depth, f"{use.agent_type or 'sub-agent'} {use.agent_id}")
