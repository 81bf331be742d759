"""The benchmark itself: it counts what was asked, and does not take a broken answer for one."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import report
from tests.bench.backend import BenchBackend
from tests.bench.client import Asking
from tests.bench.loads import LOADS, BenchLoad
from tests.bench.processes import OWN_TARGETS, BenchTarget
from tests.bench.report import BenchRound

ROUND = BenchRound(2.0, 100.0, 1.0, 3.0, 9.0, 0)


@pytest.mark.parametrize("name", [name for name in LOADS if name != "failover"])
async def test_floor_answers_the_load(name: str, tmp_path: Path) -> None:
    load = replace(LOADS[name].warm_up(), chunks=min(4, LOADS[name].chunks))
    loop = asyncio.get_running_loop()
    backend = await loop.create_server(BenchBackend, "127.0.0.1", 0)
    port = backend.sockets[0].getsockname()[1]
    floor = BenchTarget("floor", OWN_TARGETS["floor"], tmp_path / "data", port)
    floor.start()
    try:
        await floor.wait_ready()
        answers = await Asking(load, floor.port).run()
        assert (len(answers.whole), answers.faults) == (load.requests, [])
        assert floor.memory_mib() > 1
    finally:
        await asyncio.to_thread(floor.stop)
        backend.close()


async def test_answer_that_is_no_message_is_a_fault() -> None:
    """The backend itself has no streams of Claude's events."""
    loop = asyncio.get_running_loop()
    backend = await loop.create_server(BenchBackend, "127.0.0.1", 0)
    answers = await Asking(BenchLoad(1, 2, chunks=3), backend.sockets[0].getsockname()[1]).run()
    backend.close()
    assert len(answers.faults) == 2
    assert answers.whole == []


def test_report_compares_with_the_first_target(tmp_path: Path) -> None:
    rounds = {"json1": {"one": [ROUND], "<two>": [replace(ROUND, cpu_ms=3.0)]}}
    table = report.write(rounds, tmp_path / "out")
    assert [line.split()[1:4] for line in table.splitlines()[1:]] == [
        ["one", "2.000", "1.00x"],
        ["<two>", "3.000", "1.50x"],
    ]
    ElementTree.fromstring((tmp_path / "out/results.svg").read_text())  # noqa: S314 - our own
    assert json.loads((tmp_path / "out/results.json").read_text())["json1"]["one"][0]["faults"] == 0
