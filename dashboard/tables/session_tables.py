"""Columns of lists of sessions, and tables of one: its turns, the prompts that they serve, and who
worked in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bridge.models import UsageSession
from dashboard.display.cells import StateCell
from dashboard.display.purposes import branch, sender
from dashboard.pages.page import Frame
from dashboard.tables.row_columns import CACHED, COST, TONES
from dashboard.tables.table import Column, InMemory, Table
from dashboard.usage import key_owners
from dashboard.usage.agents import AgentUse, agent_tree
from dashboard.usage.prompts import UserPrompt, numbers, user_prompts
from dashboard.usage.turns import Turn

RAN = (
    "How long tools ran before this turn, as its client reports: without waiting for permission, "
    "calls of one tool together. Tools that ran beside each other do not add up, and what is not "
    "reported is not known."
)
ADDED = (
    "Tools that the turn before had not. They stand in front of all messages, so nothing behind "
    "them comes from the prefix cache. With ENABLE_TOOL_SEARCH=false in Claude Code’s environment "
    "all tools are there from the first turn on."
)
NO_PROMPTS = (
    "Claude Code names the prompt that a request serves where its environment has "
    "CLAUDE_CODE_GATEWAY_HINT_HEADERS=1."
)


def sums_columns() -> list[Column]:
    """What a list of sessions shows of each: its models and its sums."""
    return [
        Column(
            "models", "Models", "models", lambda row: tuple(row.model_names) or None, sorts=False
        ),
        Column("requests", "Turns", "count"),
        Column("errors", "Errors", "count", lambda row: row.errors or None, field="errors"),
        Column("tokens", "Tokens", "tokens", hint="Whole prompts and answers of all turns"),
        CACHED,
        Column(
            "largest_context",
            "Longest context",
            "tokens",
            hint="Tokens of the longest prompt with its answer",
        ),
        COST,
    ]


def turns_table(frame: Frame, turns: Sequence[Turn]) -> Table[Turn]:
    prompts = numbers(turns)

    def to_request(turn: Turn) -> str:
        return frame.to("request", turn.request_id)

    return Table(
        frame,
        "Turns",
        [
            Column("number", "Turn", "count", link=to_request),
            Column("time", "Time", "time"),
            Column("outcome", "Outcome", "state", _outcome, filter=True),
            Column(
                "prompt",
                "Prompt",
                "count",
                lambda turn: prompts.get(turn.prompt_id),
                "The user’s prompt that it serves",
                filter=True,
                shown=bool(prompts),
            ),
            Column("sender", "Sent by", "text", sender, "Empty: the main conversation"),
            Column("model", "Model", "model", filter=True),
            Column("context", "Context", "tokens", hint="Tokens of the prompt with its answer"),
            Column("cached_share", "Cached", "share"),
            Column("output", "Answer", "tokens", lambda turn: turn.output_tokens),
            Column("cost", "Cost", "money", lambda turn: turn.cost_nano_usd),
            Column("first_token", "First token", "ms", lambda turn: turn.first_token_ms),
            Column("duration", "In all", "ms", lambda turn: turn.duration_ms),
            *_of_tools(turns),
            Column("tools", "Tools", "names", lambda turn: turn.tools or None),
            *_hidden(),
        ],
        InMemory(turns, lambda turn: turn.request_id),
        "-number",
        empty="Its single turns are older than what is kept; the sums above stay.",
    )


def _of_tools(turns: Sequence[Turn]) -> list[Column]:
    """What a client tells of its tools, where it does."""
    return [
        Column(
            "tool_milliseconds",
            "Ran before",
            "tool_times",
            lambda turn: turn.tool_milliseconds or None,
            RAN,
            sorts=False,
            shown=any(turn.tool_milliseconds for turn in turns),
        ),
        Column(
            "tools_added",
            "Tools added",
            "count",
            lambda turn: turn.tools_added or None,
            ADDED,
            shown=any(turn.tools_added for turn in turns),
        ),
    ]


def _hidden() -> list[Column]:
    """What files have, and what links of the other tables filter by."""
    filters = [("request_class", "Class"), ("agent_id", "Agent"), ("prompt_id", "Prompt id")]
    rest = [
        ("agent_type", "Agent type"),
        ("parent_agent_id", "Parent agent"),
        ("compaction", "Compaction"),
        ("compacted", "Compacted"),
    ]
    return [
        *(Column(name, title, filter=True, shown=False, sorts=False) for name, title in filters),
        *(Column(name, title, shown=False, sorts=False) for name, title in rest),
    ]


def _outcome(turn: Turn) -> StateCell:
    return StateCell(turn.outcome, TONES[turn.outcome])


# --- prompts and agents ---------------------------------------------------------------------------


def prompts_table(frame: Frame, row: UsageSession, turns: Sequence[Turn]) -> Table[UserPrompt]:
    """What each prompt of the user led to."""

    def to_turns(prompt: UserPrompt) -> str:
        return _to_turns(frame, prompt=str(prompt.number))

    to_requests = requests_of(frame, row)
    return Table(
        frame,
        "Prompts",
        [
            Column("number", "Prompt", "count", link=to_turns),
            Column("time", "Begun", "time"),
            Column("ms", "Took", "ms", hint="From its first request to the end of its last one"),
            Column(
                "requests",
                "Requests",
                "count",
                lambda prompt: prompt.sums.requests,
                link=lambda prompt: to_requests(prompt_id=prompt.prompt_id),
            ),
            Column("agents", "Sub-agents", "count", lambda prompt: prompt.agents or None),
            Column("compactions", "Compacted", "count", lambda prompt: prompt.compactions or None),
            Column("tokens", "Tokens", "tokens", lambda prompt: prompt.sums.tokens),
            Column("cost", "Cost", "money", lambda prompt: prompt.sums.cost),
            Column("prompt_id", "Prompt id", shown=False, sorts=False),
        ],
        InMemory(user_prompts(turns), lambda prompt: prompt.prompt_id),
        "-number",
        "prompts",
        empty=NO_PROMPTS,
    )


Line = tuple[int, AgentUse]
"""A place in the tree, and who is there."""


def agents_table(frame: Frame, row: UsageSession, turns: Sequence[Turn]) -> Table[Line]:
    """The main conversation, side calls, and the tree of sub-agents, always in this order."""
    to_requests = requests_of(frame, row)

    def to_turns(line: Line) -> str:
        return _to_turns(frame, **_filters(line[1]))

    return Table(
        frame,
        "Who worked",
        [
            Column("place", "Order", "count", lambda line: line[0], shown=False, exports=False),
            _of_use("who", "Who", "branch", branch, link=to_turns),
            _of_use(
                "requests",
                "Requests",
                "count",
                lambda use: use.own.requests,
                link=lambda line: to_requests(**_filters(line[1])),
            ),
            _of_use("tokens", "Tokens", "tokens", lambda use: use.own.tokens),
            _of_use("cost", "Cost", "money", lambda use: use.own.cost),
            _of_use(
                "cost_with_agents",
                "With its agents",
                "money",
                lambda use: use.whole.cost if use.whole != use.own else None,
            ),
            _of_use("agent_id", "Agent", "text", lambda use: use.agent_id, shown=False),
            _of_use("agent_type", "Agent type", "text", lambda use: use.agent_type, shown=False),
            _of_use("depth", "Depth", "count", lambda use: use.depth, shown=False),
        ],
        InMemory(enumerate(agent_tree(turns)), lambda line: f"{line[0]:08}"),
        "place",
        "agents",
        note="Sub-agents stand below the agent that started them; the last column adds them up.",
    )


def _of_use(
    name: str,
    title: str,
    kind: str,
    read: Callable[[AgentUse], Any],
    link: Callable[[Line], str] | None = None,
    shown: bool = True,
) -> Column:
    """A column of a tree, whose order is fixed."""
    return Column(
        name, title, kind, lambda line: read(line[1]), link=link, sorts=False, shown=shown
    )


def _filters(use: AgentUse) -> dict[str, str]:
    return {"agent_id": use.agent_id} if use.agent_id else {"request_class": use.request_class}


def _to_turns(frame: Frame, **filters: str) -> str:
    """The turns of this page that pass one filter."""
    if not all(filters.values()):
        return ""
    others = {"after", "prompt", "agent_id", "request_class"} - filters.keys()
    return frame.here(*others, **filters) + "#table"


def requests_of(frame: Frame, row: UsageSession | None) -> Callable[..., str]:
    """Addresses of the list of requests, for this session from its first to its last day."""
    if row is None:
        return _nowhere
    first, last = (frame.range.local(at).date().isoformat() for at in (row.first_at, row.last_at))
    whole = {"range": "", "from": first, "to": last, "session": row.session}
    if not frame.is_own:
        whole["key_id"] = key_owners.slug(row.key_id, row.fingerprint)

    def to_requests(**filters: str) -> str:
        return frame.to("requests", **whole, **filters) if all(filters.values()) else ""

    return to_requests


def _nowhere(**filters: str) -> str:
    return ""
