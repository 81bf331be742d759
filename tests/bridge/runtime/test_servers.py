"""What the parent of several workers says."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.runtime import servers


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
