"""The turns of one session, and what several of them used together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a session. `context`: tokens of its prompt and its answer.

    number   from 1, in order of arrival
    compaction, compacted   why it summarises, or is the first one after that; "" where it does not
    tools_added   tools that the turn before it had not
    tool_milliseconds       how long tools ran before it; of what is not named nothing is known
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
    tools_added: int = 0
    tools: tuple[str, ...] = ()
    request_class: str = ""
    agent_type: str = ""
    agent_id: str = ""
    parent_agent_id: str = ""
    prompt_id: str = ""
    compaction: str = ""
    compacted: str = ""
    tool_milliseconds: Mapping[str, int] = field(default_factory=dict, hash=False)

    @property
    def prompt(self) -> int:
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def context(self) -> int:
        return self.prompt + self.output_tokens

    @property
    def size(self) -> int:
        """Bytes of its prompt, also where it failed and nobody counted tokens."""
        return self.prompt_bytes or self.prompt * BYTES_PER_TOKEN

    @property
    def cached_share(self) -> float | None:
        return self.cache_read_tokens / self.prompt if self.prompt else None


@dataclass(frozen=True, slots=True)
class TurnSums:
    """What some turns used. `cost`: of those that have a price; None: none has one."""

    requests: int = 0
    tokens: int = 0
    cost: int | None = None

    @classmethod
    def of(cls, turns: Iterable[Turn]) -> TurnSums:
        found = list(turns)
        costs = [turn.cost_nano_usd for turn in found if turn.cost_nano_usd is not None]
        tokens = sum(turn.context for turn in found)
        return cls(len(found), tokens, sum(costs) if costs else None)

    def __add__(self, other: TurnSums) -> TurnSums:
        known = [cost for cost in (self.cost, other.cost) if cost is not None]
        return TurnSums(
            self.requests + other.requests,
            self.tokens + other.tokens,
            sum(known) if known else None,
        )
