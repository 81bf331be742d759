"""The parent of several workers: what it says, and when it forks them."""

from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from bridge.runtime import servers, workers


@pytest.mark.parametrize(
    ("redis_url", "lines"),
    [
        ("", ["3 workers without REDIS_URL: each counts the limits of keys for itself"]),
        ("redis://127.0.0.1:6379", []),
    ],
)
def test_workers_without_redis_are_told_that_limits_are_their_own(
    settings: Any, caplog: pytest.LogCaptureFixture, redis_url: str, lines: list[str]
) -> None:
    settings.WORKERS, settings.REDIS_URL = 3, redis_url
    servers.warn_of_separate_limits()
    assert caplog.messages == lines


def test_process_with_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thread has locked stays locked in a fork; elsewhere, libraries do not bear one."""
    alone = [threading.current_thread()]
    monkeypatch.setattr(sys, "platform", "linux")
    with monkeypatch.context() as patch:
        patch.setattr(threading, "active_count", lambda: len(alone))
        assert workers.can_fork()
    done = threading.Event()
    beside = threading.Thread(target=done.wait)
    beside.start()
    assert not workers.can_fork()
    done.set()
    beside.join()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not workers.can_fork()
