"""A session stays with its target until its conversation is compacted."""

from __future__ import annotations

import pytest

from bridge.routing import sessions
from bridge.routing.resolve import resolve
from bridge.routing.sessions import Sessions
from bridge.routing.types import Alias, Routes, WeightedTarget
from tests.bridge.making import a_backend, facts

ROUTES = Routes(
    (a_backend(models=facts("a", "b")),),
    (Alias("even", (WeightedTarget("main", "a"), WeightedTarget("main", "b"))),),
)


def served(sticky: str) -> str:
    return resolve(ROUTES, "even", sticky).targets[0].model


def test_a_session_has_one_name_until_it_is_compacted() -> None:
    known = Sessions()
    before = [known.sticky("key", "s") for _ in range(3)]
    first = known.sticky("key", "s", compacted=True)
    after = [known.sticky("key", "s") for _ in range(3)]
    assert before == ["s"] * 3
    assert first != "s" and after == [first] * 3
    assert known.sticky("key", "s", compacted=True) not in ("s", first)


def test_compacted_sessions_are_shared_out_anew_and_stay_there() -> None:
    """W9."""
    known = Sessions()
    moved = 0
    for number in range(200):
        before = served(known.sticky("key", f"s{number}"))
        after = served(known.sticky("key", f"s{number}", compacted=True))
        assert served(known.sticky("key", f"s{number}")) == after
        moved += before != after
    assert 60 < moved < 140


def test_beside_other_processes_a_session_stays_where_it_began() -> None:
    """They did not see the compaction, and would go on with the first target."""
    known = Sessions()
    first = known.sticky("key", "s", compacted=True)
    known.is_alone = False
    assert known.sticky("key", "s") == known.sticky("key", "s", compacted=True) == "s"
    assert known.sticky("key", "t", compacted=True) == "t"
    known.is_alone = True
    assert known.sticky("key", "s") == first


def test_a_session_of_another_caller_is_another() -> None:
    known = Sessions()
    known.sticky("key", "s", compacted=True)
    assert known.sticky("stranger", "s") == "s"


def test_without_a_session_the_caller_is_the_name() -> None:
    known = Sessions()
    assert known.sticky("key", "", compacted=True) == known.sticky("key", "") == "key"


def test_made_up_sessions_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 3)
    known = Sessions()
    for number in range(10):
        known.sticky("key", f"s{number}", compacted=True)
    names = [known.sticky("key", f"s{number}") for number in range(10)]
    assert [name for name in names if "\n" in name] == ["s7\n1", "s8\n1", "s9\n1"]
