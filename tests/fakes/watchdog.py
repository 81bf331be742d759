"""How long the event loop of a gateway was held, seen from outside, on a busy machine too.

A thread asks `/health` again and again. A stall is the time that one answer took, without the time
that threads of the gateway waited for a processor, and never more than the CPU time that they used
meanwhile: what a neighbour on the machine takes does not count.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.fakes.client import PLAIN
from tests.fakes.gateway import Gateway

PAUSE_SECONDS = 0.01
PATIENCE_SECONDS = 120.0


@dataclass(slots=True)
class Stalls:
    """What was seen; seconds. `memory` is the largest resident size, in bytes."""

    longest: float = 0.0
    memory: int = 0
    answers: int = 0
    failures: list[str] = field(default_factory=list)


def processor_seconds(process: int) -> tuple[float, float]:
    """Time that the threads of a process ran on a processor, and that they waited for one."""
    ran = waited = 0
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            fields = (thread / "schedstat").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended
        ran += int(fields[0])
        waited += int(fields[1])
    return ran / 1e9, waited / 1e9


def memory_bytes(process: int) -> int:
    """Resident size of a process."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


def open_files(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


@contextmanager
def watching(gateway: Gateway) -> Iterator[Stalls]:
    """Ask until the block ends; then `longest` and `memory` are final."""
    stalls, ended = Stalls(), threading.Event()
    thread = threading.Thread(target=_watch, args=(gateway, stalls, ended))
    thread.start()
    try:
        yield stalls
    finally:
        ended.set()
        thread.join(PATIENCE_SECONDS)
    assert stalls.answers, stalls.failures or "nothing was answered"


def _watch(gateway: Gateway, stalls: Stalls, ended: threading.Event) -> None:
    process = gateway.process.pid
    with httpx.Client(base_url=gateway.url, timeout=PATIENCE_SECONDS, **PLAIN) as client:
        while True:
            last = ended.is_set()
            before, began = processor_seconds(process), time.monotonic()
            try:
                client.get("/health")
                stalls.answers += 1
            except httpx.HTTPError as error:
                stalls.failures.append(repr(error))
            took = time.monotonic() - began
            ran, waited = (
                now - then for now, then in zip(processor_seconds(process), before, strict=True)
            )
            stalls.longest = max(stalls.longest, min(took - waited, ran))
            stalls.memory = max(stalls.memory, memory_bytes(process))
            if last:
                return
            ended.wait(PAUSE_SECONDS)
