"""Where a session's context shrank: found among side calls, sub-agents and failures, and only there
(pages, "compactions")."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard.usage.compactions import compactions
from dashboard.usage.turns import Turn

BASE = 60_000
"""Bytes of instructions and tools, which all conversations of a client begin with."""
START = datetime(2025, 3, 20, 9, tzinfo=UTC)
MAIN, SMALL = "qwen3-coder-30b", "gpt-oss-20b"


class Session:
    """Turns as a gateway records them: each is compared with the last prompt of its model."""

    def __init__(self, remembers: bool = True) -> None:
        self.turns: list[Turn] = []
        self.remembers = remembers
        self._last: dict[str, tuple[str, int]] = {}

    def ask(
        self, who: str, size: int, model: str = MAIN, status: int = 200, tool: str = "Bash"
    ) -> Session:
        """A turn of the conversation `who`, with a prompt of so many bytes."""
        last, last_size = self._last.get(model, ("", 0))
        common = last_size if last == who and size > last_size else min(BASE, size, last_size)
        self._last[model] = who, size
        self.turns.append(
            Turn(
                number=len(self.turns) + 1,
                request_id=f"req_{len(self.turns) + 1}",
                time=START + timedelta(seconds=20 * len(self.turns)),
                status=status,
                outcome="answered" if status < 400 else "error",
                asked_model=model,
                model=model,
                input_tokens=size // 4 if status < 400 else 0,
                cache_read_tokens=0,
                cache_write_tokens=0,
                output_tokens=100 if status < 400 else 0,
                cost_nano_usd=None,
                prompt_bytes=size,
                repeated_bytes=common // 1024 * 1024 if self.remembers else 0,
                first_token_ms=None,
                duration_ms=1000,
                tools=(tool,),
            )
        )
        return self

    def grow(self, who: str, first: int, last: int, step: int = 12_000) -> Session:
        for size in range(first, last + 1, step):
            self.ask(who, size)
        return self

    @property
    def found(self) -> list[tuple[int, int]]:
        """The turns before and after each compaction."""
        return [(one.before.number, one.after.number) for one in compactions(self.turns)]


@pytest.fixture(params=[True, False], ids=["prefixes known", "prefixes unknown"])
def session(request: pytest.FixtureRequest) -> Session:
    """What earlier prompts had in common is unknown after a restart, or in another process."""
    return Session(request.param)


def test_a_context_that_only_grows_is_not_compacted(session: Session) -> None:
    assert session.grow("main", 70_000, 600_000).found == []


def test_a_compacted_context_is_found(session: Session) -> None:
    session.grow("main", 70_000, 600_000)
    before = len(session.turns)
    session.grow("summary", 95_000, 300_000)
    (one,) = compactions(session.turns)
    assert (one.before.number, one.after.number) == (before, before + 1)
    assert one.saved == one.before.context - one.after.context > 100_000


def test_each_compaction_is_found(session: Session) -> None:
    session.grow("main", 70_000, 600_000).grow("second", 90_000, 610_000).grow(
        "third", 95_000, 200_000
    )
    assert len(session.found) == 2


def test_side_calls_of_another_model_are_none(session: Session) -> None:
    session.grow("main", 70_000, 400_000)
    session.ask("title", 900, SMALL).ask("title 2", 1_200, SMALL)
    assert session.grow("main", 412_000, 500_000).found == []


def test_side_calls_of_the_same_model_are_none(session: Session) -> None:
    session.grow("main", 70_000, 400_000)
    session.ask("check of a command", 3_000).ask("another", 2_500)
    assert session.grow("main", 412_000, 500_000).found == []


def test_a_sub_agent_is_none_while_the_main_conversation_waits(session: Session) -> None:
    session.grow("main", 70_000, 400_000).grow("sub-agent", 68_000, 160_000)
    assert session.grow("main", 412_000, 500_000).found == []


def test_sub_agents_one_after_the_other_are_none(session: Session) -> None:
    session.grow("main", 70_000, 400_000)
    session.grow("first", 68_000, 260_000).grow("second", 68_000, 160_000)
    assert session.grow("main", 412_000, 500_000).found == []


def test_sub_agents_side_by_side_are_none() -> None:
    session = Session().grow("main", 70_000, 400_000)
    for step in range(8):
        session.ask("left", 68_000 + 12_000 * step).ask("right", 66_000 + 20_000 * step)
    assert session.grow("main", 412_000, 500_000).found == []


def test_a_sub_agent_of_the_first_turn_is_none() -> None:
    session = Session().ask("main", 75_000).grow("sub-agent", 68_000, 140_000)
    assert session.grow("main", 90_000, 200_000).found == []


def test_a_sub_agent_that_still_works_is_none(session: Session) -> None:
    """The page of a session that goes on: the main conversation waits, and has not come back."""
    session.grow("main", 70_000, 400_000).ask("main", 412_000, tool="Task")
    assert session.grow("sub-agent", 68_000, 160_000).found == []


def test_a_compaction_after_a_sub_agent_is_found() -> None:
    session = Session().grow("main", 70_000, 400_000).grow("sub-agent", 68_000, 160_000)
    session.grow("main", 412_000, 600_000)
    before = len(session.turns)
    assert session.grow("summary", 95_000, 200_000).found == [(before, before + 1)]


def test_a_failed_turn_does_not_hide_it_and_is_not_it(session: Session) -> None:
    session.grow("main", 70_000, 600_000)
    before = len(session.turns)
    session.ask("main", 620_000, status=500).grow("summary", 95_000, 200_000)
    assert session.found == [(before, before + 2)]


def test_a_conversation_that_failed_and_goes_on_is_none(session: Session) -> None:
    session.grow("main", 70_000, 400_000).ask("main", 410_000, status=529)
    assert session.grow("main", 412_000, 500_000).found == []


def test_one_small_turn_at_the_end_proves_nothing(session: Session) -> None:
    session.grow("main", 70_000, 600_000)
    assert session.ask("summary, or a side call", 90_000).found == []


def test_small_contexts_are_left_alone() -> None:
    assert Session().grow("main", 4_000, 15_000, 1_000).grow("new", 2_000, 5_000, 1_000).found == []


def test_requests_that_were_never_sent_are_no_turns_of_a_conversation() -> None:
    session = Session().grow("main", 70_000, 400_000)
    session.ask("refused", 0, status=400)
    assert session.grow("main", 412_000, 500_000).found == []


def test_nothing_is_nothing() -> None:
    assert compactions([]) == []


PROMPT = {"request_class": "main", "prompt_id": "p"}
SUMMARY = {"request_class": "compaction", "compaction": "manual"}


def reported(*turns: tuple[int, dict[str, Any]]) -> list[tuple[int, str]]:
    """Numbers and reasons of the compactions of turns of so many bytes, with what clients say."""
    session = Session()
    for size, _ in turns:
        session.ask("main", size)
    told = [replace(turn, **more) for turn, (_, more) in zip(session.turns, turns, strict=True)]
    return [(one.after.number, one.why) for one in compactions(told)]


def test_first_turn_behind_a_summary_says_why_the_context_shrank() -> None:
    """Observed client: in the process that summarised."""
    first = PROMPT | {"compacted": "manual"}
    assert reported((90_000, PROMPT), (96_000, SUMMARY), (61_000, first)) == [(3, "manual")]


def test_summary_counts_where_the_session_went_on_in_a_new_process() -> None:
    """Observed client: `--continue` behind `/compact` says nothing of it any more."""
    asked = (90_000, PROMPT), (96_000, SUMMARY), (61_000, PROMPT), (64_000, PROMPT)
    assert reported(*asked) == [(3, "manual")]


@pytest.mark.parametrize(
    ("summary", "after"),
    [
        (SUMMARY | {"status": 529, "input_tokens": 0, "output_tokens": 0}, 61_000),
        (SUMMARY, 93_000),
        (SUMMARY | {"agent_id": "a1"}, 61_000),
    ],
    ids=["failed", "not used", "of a sub-agent"],
)
def test_summary_alone_shrinks_no_context(summary: dict[str, Any], after: int) -> None:
    """Ours: the next turn of the same conversation has to be smaller."""
    assert reported((90_000, PROMPT), (96_000, summary), (after, PROMPT)) == []


def test_failed_turn_behind_a_summary_is_not_counted_twice() -> None:
    """Ours: the client says it again with each try."""
    first = PROMPT | {"compacted": "auto"}
    failed = first | {"status": 529, "input_tokens": 0, "output_tokens": 0}
    asked = (90_000, PROMPT), (96_000, SUMMARY), (61_000, failed), (61_000, PROMPT)
    assert reported(*asked) == [(3, "auto")]
