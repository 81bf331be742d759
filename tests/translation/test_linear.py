"""No input makes the work of a reader grow faster than its size.

Each case builds hostile input of one and four times a size. What is compared is work, never
seconds: the calls that the interpreter makes, which are counted, and the CPU time that one process
used, as a ratio. Work that grows with the square of its input takes sixteen times as much for four
times the size; the bounds lie far below that and well above what is linear.
"""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from cProfile import Profile
from dataclasses import replace

import pytest

from bridge.translation.errors.api_error import ApiError
from tests.translation.hostile_inputs import CASES, Case

MOST_CALLS = 6.0
"""Times the calls for four times the size."""
MOST_TIME = 10.0
MEASURABLE = 0.02
"""Seconds of CPU time below which a ratio says nothing."""
TRIES = 4


def _calls(work: Callable[[], None]) -> int:
    """How many functions are called, those written in C included."""
    profile = Profile()
    profile.enable()
    try:
        work()
    finally:
        profile.disable()
    return sum(entry.callcount for entry in profile.getstats())


def _cpu_time(work: Callable[[], None]) -> float:
    gc.disable()
    begun = time.process_time()
    try:
        work()
    finally:
        gc.enable()
    return time.process_time() - begun


def _work(case: Case, times: int) -> Callable[[], None]:
    """The case's work on an input of that many times its size. A refusal is an answer, too."""
    given = case.make(case.size * times)

    def work() -> None:
        try:
            case.read(given)
        except (ApiError, ValueError):
            return

    return work


def _grows_too_fast_in_calls(case: Case) -> str:
    """The counts, where four times the input takes too many; else ""."""
    smaller = replace(case, size=case.size // 4)
    one, four = (_calls(_work(smaller, times)) for times in (1, 4))
    return "" if four <= MOST_CALLS * one + 1000 else f"calls: {one}, {four}"


def _grows_too_fast_in_time(case: Case) -> str:
    """The CPU times, where four times the input takes too much. The least of some tries counts."""
    least = dict.fromkeys((1, 4), float("inf"))
    for _ in range(TRIES):
        for times in least:
            least[times] = min(least[times], _cpu_time(_work(case, times)))
        if least[4] <= MEASURABLE or least[4] <= MOST_TIME * least[1]:
            return ""
    return f"CPU time of one and four times the size: {least}"


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_calls_grow_no_faster_than_the_input(case: Case) -> None:
    """Ours: counted, so that the machine decides nothing."""
    assert _grows_too_fast_in_calls(case) == ""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_time_grows_no_faster_than_the_input(case: Case) -> None:
    """Ours: copies and regular expressions make no calls."""
    assert _grows_too_fast_in_time(case) == ""


def test_square_is_seen() -> None:
    """Ours: both measures find what they are there to find."""
    calls = Case("calls", lambda n: range(n), lambda r: [len(str(i)) for i in r for _ in r], 400)
    copies = Case("copies", lambda n: "<" * n, re.compile("<[^>]*>").findall, 3_000)
    assert _grows_too_fast_in_calls(calls)
    assert _grows_too_fast_in_time(copies)
