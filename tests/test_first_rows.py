"""Rows are put back only when no step holds their tables any more."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import SyncToAsync

from tests.first_rows import FirstRows

WAIT_SECONDS = 60.0


class Steps(ThreadPoolExecutor):
    """Notes when somebody queues behind a step."""

    def __init__(self) -> None:
        super().__init__(1)
        self.submitted, self.is_waited_for = 0, threading.Event()

    def submit(self, *step: Any, **options: Any) -> Future[Any]:
        queued = super().submit(*step, **options)
        self.submitted += 1
        if self.submitted == 2:
            self.is_waited_for.set()
        return queued


@pytest.mark.django_db
def test_rows_are_put_back_behind_a_step_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step ends only once somebody waits for it: without a wait it would still run."""
    ended = threading.Event()
    seen: list[bool] = []

    class Tables(dict[str, Any]):
        def __iter__(self) -> Any:
            seen.append(ended.is_set())
            return super().__iter__()

    def end() -> None:
        if steps.is_waited_for.wait(WAIT_SECONDS):
            ended.set()

    with Steps() as steps:
        monkeypatch.setattr(SyncToAsync, "single_thread_executor", steps)
        steps.submit(end)
        rows = FirstRows.__new__(FirstRows)
        rows._rows = Tables()
        rows.put_back()
        steps.is_waited_for.set()
    assert seen == [True]
