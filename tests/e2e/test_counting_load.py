"""Many large prompts that are to be counted at once: the memory stays, and others are served."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.conftest import Start
from tests.fakes.client import KEY, PLAIN
from tests.fakes.gateway import Ready
from tests.fakes.watchdog import PATIENCE_SECONDS, memory_bytes, watching

COUNT = "/v1/messages/count_tokens"
MEBIBYTE = 2**20


@pytest.mark.parametrize("launcher", ["serve", pytest.param("uvicorn", marks=pytest.mark.slow)])
def test_twenty_large_counts_at_once_take_no_gigabytes(start_gateway: Start, launcher: str) -> None:
    """Ours: attack: a gigabyte and half a minute. What cannot wait is told to come back."""
    gateway = start_gateway(launcher, ready=Ready.HEALTHY)
    text = "word " * 600_000
    url, headers = f"{gateway.url}{COUNT}", {"x-api-key": KEY, "content-type": "application/json"}
    body, large = (
        json.dumps({"model": "test/alpha", "messages": [{"role": "user", "content": content}]})
        for content in ("x", text)
    )
    gateway.client.post(COUNT, body.encode())
    before = memory_bytes(gateway.process.pid)
    client = httpx.Client(headers=headers, timeout=PATIENCE_SECONDS, **PLAIN)
    with client, watching(gateway) as stalls, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(client.post, url, content=large.encode()) for _ in range(20)]
        answers = [each.result() for each in asked]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 529} and statuses.count(200) >= 10
    assert all(answer.headers["retry-after"] for answer in answers if answer.status_code == 529)
    assert stalls.memory - before < 500 * MEBIBYTE
