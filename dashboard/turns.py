"""The turns of one session, and where its context shrank. Pure.

A session of Claude Code is not one conversation: beside the main one there are small side calls
(titles, checks of commands) and sub-agents with conversations of their own. So turns are first
put into strands: a turn goes on where it repeats nearly all of the turn before it, or has a little
more context than a strand ended with. A context was compacted where a strand ends for good, the
next one of that model begins much smaller, and nothing older goes on beside it, as the main
conversation does beside a sub-agent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

REPEATED = 0.8
"""Part of the last prompt that a turn which goes on has, too."""
GROWTH = (0.8, 1.02)
"""How much of a turn's context the strand had already, where turns of others stand between."""
SHRUNK = 0.7
"""A strand that begins with less than this part of the one before is a compacted one."""
SMALL = 4_000
"""Tokens. Below it nothing is worth compacting."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a session. `context`: tokens of its prompt and its answer.

    number   from 1, in order of arrival
    """

    number: int
    request_id: str
    time: datetime
    status: int
    outcome: str
    asked_model: str
    model: str
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost_nano_usd: int | None
    prompt_bytes: int
    repeated_bytes: int
    first_token_ms: int | None
    duration_ms: int
    tools: tuple[str, ...] = ()

    @property
    def prompt(self) -> int:
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def context(self) -> int:
        return self.prompt + self.output_tokens

    @property
    def cached_share(self) -> float | None:
        return self.cache_read_tokens / self.prompt if self.prompt else None


@dataclass(frozen=True, slots=True)
class Compaction:
    """The context became smaller between two turns of one conversation."""

    before: Turn
    after: Turn

    @property
    def saved(self) -> int:
        return self.before.context - self.after.context


@dataclass(slots=True)
class _Strand:
    """Turns that go on from each other. `parent`: the strand that was at work before it began."""

    model: str
    turns: list[Turn] = field(default_factory=list)
    parent: _Strand | None = None

    @property
    def first(self) -> Turn:
        return self.turns[0]

    @property
    def last(self) -> Turn:
        return self.turns[-1]


def compactions(turns: Sequence[Turn]) -> list[Compaction]:
    """Where the context shrank sharply, in order. `turns` in order of arrival."""
    strands = _strands([turn for turn in turns if turn.prompt and turn.status < 400])
    found = []
    for strand in strands:
        if (before := strand.parent) is not None and _is_compacted(before, strand, strands):
            found.append(Compaction(before.last, strand.first))
    return found


def _strands(turns: Sequence[Turn]) -> list[_Strand]:
    strands: list[_Strand] = []
    by_model: dict[str, list[_Strand]] = {}
    for turn in turns:
        own = by_model.setdefault(turn.model, [])
        strand = _continued(turn, own)
        if strand is None:
            parent = next((one for one in own if len(one.turns) > 1), None)
            strand = _Strand(turn.model, parent=parent)
            strands.append(strand)
        else:
            own.remove(strand)
        strand.turns.append(turn)
        own.insert(0, strand)
    return strands


def _continued(turn: Turn, own: Sequence[_Strand]) -> _Strand | None:
    """The strand that this turn goes on with; `own` are those of its model, the latest first."""
    if own and turn.repeated_bytes >= REPEATED * own[0].last.prompt_bytes > 0:
        return own[0]
    # What it has in common with earlier prompts than the last is not on record, its size is.
    others = own[1:] if turn.repeated_bytes else own
    least, most = (part * turn.context for part in GROWTH)
    fitting = [strand for strand in others if least <= strand.last.context <= most]
    return max(fitting, key=lambda strand: strand.last.context, default=None)


def _is_compacted(before: _Strand, after: _Strand, strands: Sequence[_Strand]) -> bool:
    large = before.last.context >= SMALL
    shrank = after.first.context < SHRUNK * before.last.context
    goes_on = len(after.turns) > 1
    over = before.last.number < after.first.number
    return large and shrank and goes_on and over and not _is_nested(before, after, strands)


def _is_nested(before: _Strand, after: _Strand, strands: Sequence[_Strand]) -> bool:
    """Whether something older than `before` goes on later: then that was a sub-agent's end."""
    return any(
        one.model == before.model
        and one.first.number < before.first.number
        and one.last.number > after.first.number
        for one in strands
    )
