"""Lessons: what one answer teaches for the next request."""

import pytest

from bridge.backends.learned import LearnedFacts
from bridge.translation.request.tokens import BYTES_PER_TOKEN
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
    learned.refused(TARGET, ("parallel_tool_calls",))
    learned.refused(TARGET, ("strict", "parallel_tool_calls"))
    assert learned.applied(TARGET).refused == {"parallel_tool_calls", "strict"}
    assert learned.applied(OTHER_MODEL).refused == frozenset()
    assert learned.applied(OTHER_BACKEND).refused == frozenset()


def test_stream_options_are_remembered_for_the_whole_server() -> None:
    """wire C1, `stream`: remember per backend."""
    learned = LearnedFacts()
    learned.refused(TARGET, ("stream_options",))
    assert learned.applied(OTHER_MODEL).refused == {"stream_options"}
    assert learned.applied(OTHER_BACKEND).refused == frozenset()


def test_lesson_is_added_to_what_the_row_knows() -> None:
    target = a_target("m")
    learned = LearnedFacts()
    learned.refused(target, ("strict",))
    assert learned.applied(target).refused >= target.facts.refused


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
