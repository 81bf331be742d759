"""No input makes the work of a reader grow faster than its size.

Each case builds hostile input of one and eight times a size. What is compared is work, never
seconds: the calls that the interpreter makes, which are counted, and the CPU time that one process
used, as a ratio. Work that grows with the square of its input takes 64 times as much for eight
times the size; the bounds lie far below that and well above what is linear.
"""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Callable
from cProfile import Profile

import pytest

from bridge.translation.errors.api_error import ApiError
from tests.translation.hostile_inputs import CASES, Case

TIMES = 8
MOST_CALLS = 12.0
"""Times the calls for that many times the size."""
MOST_TIME = 20.0
MEASURABLE = 0.01
"""Seconds of CPU time below which a ratio says nothing."""
TRIES = 5


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


def _work(case: Case, size: int) -> Callable[[], None]:
    """The case's work on an input of that size. A refusal is an answer, too."""
    given = case.make(size)

    def work() -> None:
        try:
            case.read(given)
        except (ApiError, ValueError):
            return

    return work


def _grows_too_fast_in_calls(case: Case) -> str:
    """The counts, where more input takes too many; else ""."""
    size = case.size // (2 * TIMES)
    small, large = (_calls(_work(case, size * times)) for times in (1, TIMES))
    return "" if large <= MOST_CALLS * small + 1000 else f"calls: {small}, {large}"


def _grows_too_fast_in_time(case: Case) -> str:
    """The CPU times, where more input takes too much. The least of some tries counts."""
    size = case.size // 4
    small = large = float("inf")
    for _ in range(TRIES):
        large = min(large, _cpu_time(_work(case, size * TIMES)))
        if large <= MEASURABLE:
            return ""
        small = min(small, _cpu_time(_work(case, size)))
        if large <= MOST_TIME * small:
            return ""
    return f"CPU time of one and {TIMES} times the size: {small}, {large}"


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
