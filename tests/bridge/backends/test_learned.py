"""Lessons: what one answer teaches for the next request."""

import pytest

from bridge.backends.learned import MOST_FACTS, LearnedFacts
from bridge.routing.types import LearntRow
from bridge.translation.facts import MAX_OUTPUT, THINKING, Fact, refuses
from bridge.translation.tokens import BYTES_PER_TOKEN
from tests.bridge.making import a_target

TARGET = a_target("m")
OTHER_MODEL = a_target("other")
OTHER_BACKEND = a_target("m", name="elsewhere")


def test_nothing_learnt_changes_nothing() -> None:
    assert LearnedFacts().applied(TARGET) is TARGET.facts
    assert LearnedFacts().bytes_per_token(TARGET) == BYTES_PER_TOKEN


def test_refused_field_is_left_out_for_this_model_from_then_on() -> None:
    """wire E2: retry once without it, remember."""
    learned = LearnedFacts()
    learned.learn(TARGET, refuses("parallel_tool_calls"), "no")
    learned.learn(TARGET, refuses("strict", "parallel_tool_calls"), "no")
    assert learned.applied(TARGET).refused == {"parallel_tool_calls", "strict"}
    assert learned.applied(OTHER_MODEL).refused == frozenset()
    assert learned.applied(OTHER_BACKEND).refused == frozenset()
    assert [new.fact.value for new in learned.new] == ["parallel_tool_calls", "strict"]


def test_stream_options_are_remembered_for_the_whole_server() -> None:
    """wire C1, `stream`: remember per backend."""
    learned = LearnedFacts()
    learned.learn(TARGET, refuses("stream_options"), "no")
    assert learned.applied(OTHER_MODEL).refused == {"stream_options"}
    assert learned.applied(OTHER_BACKEND).refused == frozenset()


def test_lesson_is_added_to_what_the_rows_know() -> None:
    known = LearntRow(7, refuses("strict")[0])
    target = a_target("m", learnt={"m": (known,)})
    learned = LearnedFacts()
    learned.learn(target, refuses("user"), "no")
    assert learned.applied(target).refused == {"strict", "user"}


def test_newer_size_takes_the_place_of_the_older_one() -> None:
    known = LearntRow(7, Fact(MAX_OUTPUT, "8192"))
    target = a_target("m", learnt={"m": (known,)})
    learned = LearnedFacts()
    learned.learn(target, (Fact(MAX_OUTPUT, "4096"),), "at most 4096")
    assert learned.applied(target).longest_answer == 4096


def test_what_helps_one_request_alone_is_not_kept() -> None:
    learned = LearnedFacts()
    learned.learn(TARGET, (Fact(THINKING, "off"),), "no")
    assert learned.applied(TARGET) is TARGET.facts
    assert learned.new == []


def test_backend_that_refuses_another_field_each_time_does_not_fill_the_memory() -> None:
    learned = LearnedFacts()
    for number in range(MOST_FACTS + 50):
        learned.learn(TARGET, refuses(f"field_{number}"), "no")
    assert len(learned.applied(TARGET).refused) == MOST_FACTS


def test_fact_on_trial_is_found_only_where_it_makes_a_difference() -> None:
    row = LearntRow(7, Fact(MAX_OUTPUT, "8192"))
    target = a_target("m", learnt={"m": (row,)})
    learned = LearnedFacts()
    assert learned.trial(target, {row.fact}) is None
    learned.on_trial.add(7)
    assert learned.trial(target, ()) is None
    assert learned.trial(target, {row.fact}) == row


@pytest.mark.parametrize("still_true", [True, False])
def test_fact_that_outlived_itself_is_not_applied_any_more(still_true: bool) -> None:
    row = LearntRow(7, Fact(MAX_OUTPUT, "8192"))
    target = a_target("m", learnt={"m": (row,)})
    learned = LearnedFacts()
    learned.on_trial.add(7)
    learned.tried(row, still_true)
    assert (learned.applied(target).longest_answer == 8192) is still_true
    assert learned.trial(target, {row.fact}) is None


def test_first_report_sets_the_ratio_and_later_ones_move_it() -> None:
    """design, Counting: bytes times a ratio learned per model from what the backend reported."""
    learned = LearnedFacts()
    learned.counted(TARGET, 3000, 1000)
    assert learned.bytes_per_token(TARGET) == 3.0
    learned.counted(TARGET, 4000, 1000)
    assert learned.bytes_per_token(TARGET) == pytest.approx(3.2)
    assert learned.bytes_per_token(OTHER_MODEL) == BYTES_PER_TOKEN


@pytest.mark.parametrize(("size", "tokens"), [(399, 100), (4000, 0), (4000, -1), (0, 10)])
def test_report_that_tells_nothing_is_ignored(size: int, tokens: int) -> None:
    learned = LearnedFacts()
    learned.counted(TARGET, size, tokens)
    assert learned.bytes_per_token(TARGET) == BYTES_PER_TOKEN


@pytest.mark.parametrize(("size", "tokens", "ratio"), [(1000, 9000, 1.0), (10**6, 10, 12.0)])
def test_absurd_report_does_not_spoil_the_ratio(size: int, tokens: int, ratio: float) -> None:
    """Ours: some servers report nonsense."""
    learned = LearnedFacts()
    learned.counted(TARGET, size, tokens)
    assert learned.bytes_per_token(TARGET) == ratio
