"""Where the context of a session shrank. Pure.

Claude Code reports it where its hint headers are on: then that counts. Without them it is guessed.

A session of Claude Code is not one conversation: beside the main one there are small side calls
(titles, checks of commands) and sub-agents with conversations of their own. So turns are first
put into strands: a turn goes on where it repeats all of the turn before it, or where its
prompt is a little longer than the one that a strand ended with. A context was compacted where a
strand ends for good, the next one of that model begins much smaller, and nothing older goes on
beside it, as the main conversation does beside a sub-agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from bridge.models.usage import JUDGE_CLASS
from dashboard.usage.agents import SIDE_CLASSES
from dashboard.usage.turns import Turn

CHANGED = (0.03, 1536)
"""Part of the last prompt, and bytes, that a turn which goes on may have otherwise at its end."""
GROWTH = (0.5, 1.02)
"""How much of a turn's prompt its strand had already, after a sub-agent was at work."""
NARROW = (0.8, 1.02)
"""The same where strands take turns, as sub-agents beside each other do."""
NEAR = 12
"""Turns since a strand was last at work, for it to be one of those."""
TELLING = 8192
"""Bytes of a prompt, below which what a turn has in common with it tells nothing."""
SHRUNK = 0.7
"""A strand that begins with less than this part of the one before is a compacted one."""
SMALL = 16_000
"""Bytes of a prompt. Below it nothing is worth compacting."""
DELEGATING = frozenset({"Agent", "Task"})
"""Tools of Claude Code that start a sub-agent; the conversation that called one waits for it."""


@dataclass(frozen=True, slots=True)
class Compaction:
    """The context became smaller between two turns of one conversation.

    why   auto, manual or reactive, as the client reports; "" where it is guessed
    """

    before: Turn
    after: Turn
    why: str = ""

    @property
    def saved(self) -> int:
        return self.before.context - self.after.context


@dataclass(slots=True)
class _Strand:
    """Turns that go on from each other.

    parent   the strand that was at work when it began;  before  the latest of more than one turn
    """

    model: str
    turns: list[Turn] = field(default_factory=list)
    parent: _Strand | None = None
    before: _Strand | None = None

    @property
    def first(self) -> Turn:
        return self.turns[0]

    @property
    def last(self) -> Turn:
        return self.turns[-1]

    @property
    def counted(self) -> list[Turn]:
        """The turns whose tokens are known."""
        return [turn for turn in self.turns if turn.status < 400 and turn.context]


def compactions(turns: Sequence[Turn]) -> list[Compaction]:
    """Where the context shrank sharply, in order. `turns` in order of arrival."""
    silent = [t for t in turns if not t.prompt_id and t.request_class != JUDGE_CLASS]
    found = {one.after.number: one for one in (*_guessed(silent), *_reported(turns))}
    return [found[number] for number in sorted(found)]


def _reported(turns: Iterable[Turn]) -> Iterator[Compaction]:
    """What the client says; a turn whose conversation has none before it is left out.

    A client that ends behind its summary and goes on in a new process says only that it summarised.
    """
    latest: dict[str, Turn] = {}
    summarised: dict[str, str] = {}
    for turn in turns:
        before, counts = latest.get(turn.agent_id), turn.status < 400 and turn.context > 0
        if counts and turn.compaction:
            summarised[turn.agent_id] = turn.compaction
        goes_on = counts and turn.request_class not in SIDE_CLASSES
        why = summarised.pop(turn.agent_id, "") if goes_on or turn.compacted else ""
        if before is not None and (turn.compacted or (why and turn.context < before.context)):
            yield Compaction(before, turn, turn.compacted or why)
        if goes_on:
            latest[turn.agent_id] = turn


def _guessed(turns: Sequence[Turn]) -> list[Compaction]:
    strands = _strands([turn for turn in turns if turn.size])
    found = []
    for strand in strands:
        before = strand.before
        if before is not None and _is_compacted(before, strand, strands):
            last, first = before.counted[-1], strand.counted[0]
            if last.agent_id == first.agent_id:
                found.append(Compaction(last, first))
    return found


def _strands(turns: Sequence[Turn]) -> list[_Strand]:
    strands: list[_Strand] = []
    by_model: dict[str, list[_Strand]] = {}
    for turn in turns:
        own = by_model.setdefault(turn.model, [])
        strand = _continued(turn, own)
        if strand is None:
            before = next((one for one in own if len(one.turns) > 1), None)
            strand = _Strand(turn.model, parent=own[0] if own else None, before=before)
            strands.append(strand)
        else:
            own.remove(strand)
        strand.turns.append(turn)
        own.insert(0, strand)
    return strands


def _continued(turn: Turn, own: Sequence[_Strand]) -> _Strand | None:
    """The strand that this turn goes on with; `own` are those of its model, the latest first."""
    if not own:
        return None
    latest = own[0]
    if _repeats(turn, latest.last):
        return latest
    # What it has in common with earlier prompts than the last is not on record, its size is.
    if not turn.repeated_bytes and _fits(turn, latest, NARROW):
        return latest
    beside = [one for one in own[1:] if turn.number - one.last.number <= NEAR]
    fitting = [one for one in _ancestors(latest) if _fits(turn, one, GROWTH)]
    fitting += [one for one in beside if _fits(turn, one, NARROW)]
    return max(fitting, key=lambda strand: strand.last.size, default=None)


def _repeats(turn: Turn, last: Turn) -> bool:
    """Whether a turn repeats all of the last one, and adds to it."""
    part, least = CHANGED
    common = last.prompt_bytes - max(part * last.prompt_bytes, least)
    return turn.prompt_bytes > last.prompt_bytes >= TELLING and turn.repeated_bytes >= common


def _ancestors(strand: _Strand) -> Iterator[_Strand]:
    """The strands that were at work before it, one within the other."""
    while strand.parent is not None:
        strand = strand.parent
        yield strand


def _fits(turn: Turn, strand: _Strand, growth: tuple[float, float]) -> bool:
    least, most = (part * turn.size for part in growth)
    return least <= strand.last.size <= most


def _is_compacted(before: _Strand, after: _Strand, strands: Sequence[_Strand]) -> bool:
    large = before.last.size >= SMALL and bool(before.counted)
    shrank = after.first.size < SHRUNK * before.last.size
    goes_on = len(after.turns) > 1 and bool(after.counted)
    over = before.last.number < after.first.number and not DELEGATING & set(before.last.tools)
    return large and shrank and goes_on and over and not _is_nested(before, after, strands)


def _is_nested(before: _Strand, after: _Strand, strands: Sequence[_Strand]) -> bool:
    """Whether something older than `before` goes on later: then that was a sub-agent's end."""
    return any(
        one.model == before.model
        and one.first.number < before.first.number
        and one.last.number > after.first.number
        for one in strands
    )
