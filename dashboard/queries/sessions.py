"""Sessions of a range, and the turns of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import F, Q, QuerySet

from bridge.models import UsageRecord, UsageSession
from bridge.outcomes import outcome
from dashboard.queries.requests import UNAUTHORIZED
from dashboard.usage.periods import Range
from dashboard.usage.turns import Turn

MOST_TURNS = 2000
"""The newest turns of a session that its page is made of."""
_COLUMNS = (
    "request_id",
    "time",
    "status",
    "asked_model",
    "model",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost_nano_usd",
    "prompt_bytes",
    "repeated_bytes",
    "tools_added",
    "first_token_ms",
    "duration_ms",
    "request_class",
    "agent_type",
    "agent_id",
    "parent_agent_id",
    "prompt_id",
    "compaction",
    "compacted",
    "tool_milliseconds",
)
_PROMPT = F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens")


def within(span: Range) -> QuerySet[UsageSession]:
    """The sessions that had a turn in a range, each counted whole, with `tokens`."""
    rows = UsageSession.objects.filter(last_at__gte=span.start, first_at__lt=span.end)
    return rows.annotate(tokens=_PROMPT + F("output_tokens"))


def one(pk: int) -> UsageSession | None:
    return UsageSession.objects.filter(pk=pk).first()


def turns(row: UsageSession) -> list[Turn]:
    """The newest MOST_TURNS turns of a session, oldest first. One query."""
    rows = UsageRecord.objects.filter(_of(row)).order_by("-time", "-pk")
    records = list(rows.values(*_COLUMNS, tools=F("detail__tools"))[:MOST_TURNS])
    first = max(row.requests, len(records)) - len(records) + 1
    return [
        Turn(
            number=number,
            outcome=outcome(values["status"]),
            **{**values, "tools": tuple(values["tools"] or ())},
        )
        for number, values in enumerate(reversed(records), first)
    ]


def _of(row: UsageSession) -> Q:
    """Who guessed a key is summed as nobody, under whatever fingerprint the guess had."""
    mine = Q(session=row.session, key_id=row.key_id)
    if row.key_id or row.fingerprint:
        return mine & Q(fingerprint=row.fingerprint)
    return mine & (Q(fingerprint="") | Q(status=UNAUTHORIZED))


@dataclass(frozen=True, slots=True)
class ModelShare:
    """What one model did in a session."""

    name: str
    turns: int
    tokens: int
    cached_share: float | None
    cost: int | None


def by_model(turns: Iterable[Turn]) -> list[ModelShare]:
    """The dearest first."""
    groups: dict[str, list[Turn]] = {}
    for turn in turns:
        groups.setdefault(turn.model, []).append(turn)
    found = [_share(name, own) for name, own in groups.items()]
    return sorted(found, key=lambda share: (-(share.cost or 0), -share.tokens, share.name))


def _share(name: str, turns: Sequence[Turn]) -> ModelShare:
    prompt = sum(turn.prompt for turn in turns)
    costs = [turn.cost_nano_usd for turn in turns if turn.cost_nano_usd is not None]
    return ModelShare(
        name,
        len(turns),
        sum(turn.context for turn in turns),
        sum(turn.cache_read_tokens for turn in turns) / prompt if prompt else None,
        sum(costs) if costs else None,
    )


@dataclass(frozen=True, slots=True)
class ToolUse:
    """`longest`: milliseconds between two turns, as reported; None: nothing is known of it."""

    tool: str
    calls: int
    longest: int | None


def tools(turns: Sequence[Turn]) -> list[ToolUse]:
    """The most called first."""
    calls = Counter(name for turn in turns for name in turn.tools)
    longest: dict[str, int] = {}
    for turn in turns:
        for name, ms in turn.tool_milliseconds.items():
            longest[name] = max(ms, longest.get(name, 0))
    found = [ToolUse(name, calls[name], longest.get(name)) for name in {**calls, **longest}]
    return sorted(found, key=lambda use: (-use.calls, use.tool))
