"""The turns of a session by the user's prompt that they serve. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dashboard.usage.turns import Turn, TurnSums


@dataclass(frozen=True, slots=True)
class UserPrompt:
    """What one prompt of the user led to.

    number   from 1, in order of arrival;  agents   how many sub-agents worked for it
    ms       from its first request to the end of its last one
    """

    number: int
    prompt_id: str
    time: datetime
    ms: int
    agents: int
    compactions: int
    sums: TurnSums


def numbers(turns: Iterable[Turn]) -> dict[str, int]:
    """Prompt id -> its number. Turns that name no prompt are left out."""
    ids = dict.fromkeys(turn.prompt_id for turn in turns if turn.prompt_id)
    return {prompt_id: number for number, prompt_id in enumerate(ids, 1)}


def user_prompts(turns: Sequence[Turn]) -> list[UserPrompt]:
    """In order of arrival; `turns` as well."""
    groups: dict[str, list[Turn]] = {}
    for turn in turns:
        if turn.prompt_id:
            groups.setdefault(turn.prompt_id, []).append(turn)
    return [_prompt(number, own) for number, own in enumerate(groups.values(), 1)]


def _prompt(number: int, turns: Sequence[Turn]) -> UserPrompt:
    began = turns[0].time
    end = max(turn.time + timedelta(milliseconds=turn.duration_ms) for turn in turns)
    return UserPrompt(
        number,
        turns[0].prompt_id,
        began,
        round((end - began).total_seconds() * 1000),
        len({turn.agent_id for turn in turns if turn.agent_id}),
        sum(bool(turn.compaction) for turn in turns),
        TurnSums.of(turns),
    )
