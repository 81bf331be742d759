"""Columns of lists of requests: what became of each, what it was for, how much it was."""

from __future__ import annotations

from dataclasses import replace

from bridge.models import UsageRecord
from dashboard.pages.page import Frame
from dashboard.queries import requests
from dashboard.queries.finding.conditions import of_outcome
from dashboard.tables.row_columns import outcome
from dashboard.tables.table import Column


def what(frame: Frame) -> list[Column]:
    def to_request(row: UsageRecord) -> str:
        return frame.to("request", row.request_id)

    return [
        Column("time", "Time", "time", link=to_request),
        Column(
            "outcome",
            "Outcome",
            "state",
            outcome,
            filter=True,
            where=of_outcome,
            sorts=False,
        ),
        Column("status", "Status", "count", filter=True),
        Column("error_type", "Error", filter=True, sorts=False),
    ]


def purpose() -> list[Column]:
    """The class, and what files have and links filter by, and the page has no room for."""
    return [
        Column(
            "request_class",
            "Class",
            value=lambda row: row.request_class or None,
            hint="What it was for",
            filter=True,
            where=requests.of_class,
            sorts=False,
        ),
        Column("agent_type", "Agent type", filter=True, sorts=False, shown=False),
        Column("agent_id", "Agent", filter=True, sorts=False, shown=False),
        Column("parent_agent_id", "Parent agent", sorts=False, shown=False),
        Column("prompt_id", "Prompt", filter=True, sorts=False, shown=False),
        Column("compaction", "Compaction", filter=True, sorts=False, shown=False),
        Column("compacted", "Compacted", filter=True, sorts=False, shown=False),
        Column(
            "tool_milliseconds",
            "Ran before",
            "tool_times",
            lambda row: row.tool_milliseconds or None,
            sorts=False,
            shown=False,
        ),
    ]


def how_much() -> list[Column]:
    return [
        Column(
            "prompt",
            "Prompt",
            "tokens",
            lambda row: row.input_tokens + row.cache_read_tokens + row.cache_write_tokens,
            hint="Tokens of the whole prompt, cached ones too",
            sorts=False,
        ),
        Column("output", "Answer", "tokens", lambda row: row.output_tokens, field="output_tokens"),
        Column("cost", "Cost", "money", lambda row: row.cost_nano_usd, field="cost_nano_usd"),
        Column(
            "first_token",
            "First token",
            "ms",
            lambda row: row.first_token_ms,
            field="first_token_ms",
        ),
        Column("duration", "In all", "ms", lambda row: row.duration_ms, field="duration_ms"),
        Column("request_id", "Id", sorts=False, shown=False),
    ]


MESSAGE = Column(
    "message",
    "What the client received",
    value=lambda row: row.error or None,
    hint="The first words of the error",
    sorts=False,
    shown=False,
)
"""Files have it always, pages where errors are asked for."""


def also_filed() -> list[Column]:
    """What filters ask for and files have, and the page has no room for."""
    return [
        Column("asked_model", "Asked for", sorts=False, shown=False),
        Column("alias", "Alias", sorts=False, shown=False),
        Column("person", "Person", sorts=False, shown=False),
        Column("team", "Team", sorts=False, shown=False),
        Column("client", "Client", sorts=False, shown=False),
    ]


def plain(frame: Frame) -> list[Column]:
    """What tells a few requests apart, without ways to others."""
    return [
        *(replace(column, filter=False) for column in what(frame)),
        Column("model", "Model", "model"),
        Column("request_id", "Id"),
        *(column for column in how_much() if column.name == "duration"),
    ]
