"""A probe as lines of JSON, for the page that starts it.

Issue text: one line for each check, as it is found.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from bridge.models import Backend, DiscoveredModel
from bridge.probe import progress
from bridge.probe.checks import CHECKS
from bridge.probe.progress import progress_lines
from tests.bridge.ports import closed_port
from tests.bridge.probed import Model
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.replies import Gate

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def row(backend: FakeBackend) -> Backend:
    backend.on(ALPHA).each(Model())
    row: Backend = await Backend.objects.acreate(
        name="main", url=f"{backend.base_url}/v1", family="llamacpp"
    )
    return row


async def lines(backend_id: int, model: str = ALPHA) -> list[Any]:
    written = [line async for line in progress_lines(backend_id, model)]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in written)
    return [json.loads(line) for line in written]


async def test_lines_tell_each_check_and_then_the_facts(row: Backend) -> None:
    *steps, last = await lines(row.pk)
    assert [(step["done"], step["total"]) for step in steps] == [
        (number, len(CHECKS)) for number in range(1, len(CHECKS) + 1)
    ]
    assert steps[0] == {
        "done": 1,
        "total": len(CHECKS),
        "check": "plain",
        "title": "Plain answer",
        "works": True,
        "evidence": 'Asked for 2 + 3, finish_reason stop: it answered "5"',
    }
    facts = {"reasoning": True, "tools": True, "vision": True, "context": 8192}
    assert last == {"finished": True, "facts": facts}
    model = await DiscoveredModel.objects.aget()
    assert (model.name, model.probed) == (ALPHA, facts)
    shown = [{k: v for k, v in step.items() if k not in ("done", "total")} for step in steps]
    assert model.evidence == shown


async def test_backend_that_is_gone_is_told(row: Backend) -> None:
    assert await lines(row.pk + 1) == [{"error": progress.NO_BACKEND}]


async def test_end_of_a_run_is_told_and_nothing_is_stored(row: Backend) -> None:
    with closed_port() as port:
        await Backend.objects.aupdate(url=f"http://127.0.0.1:{port}/v1")
        assert await lines(row.pk) == [{"error": "Could not reach the backend (main)"}]
    assert not await DiscoveredModel.objects.aexists()


async def test_backend_that_is_deleted_meanwhile_is_told(row: Backend) -> None:
    """Ours: the admin does not wait for probes."""
    steps = progress_lines(row.pk, ALPHA)
    await anext(steps)
    await Backend.objects.all().adelete()
    last = [line async for line in steps][-1]
    assert json.loads(last) == {"error": progress.NOT_STORED}


async def test_probe_ends_when_its_reader_leaves(row: Backend, backend: FakeBackend) -> None:
    """Issue text: when its consumer leaves, the probe stops; and so does the backend's work."""
    backend.reset()
    gate = Gate()
    backend.on(ALPHA).each(Model()).json({}, before=gate)

    async def read() -> None:
        async for _ in progress_lines(row.pk, ALPHA):
            pass

    reader = asyncio.create_task(read())
    await asyncio.to_thread(gate.wait_reached)
    reader.cancel()
    await asyncio.wait({reader})
    assert reader.cancelled()
    await asyncio.to_thread(backend.calls[-1].wait_left)
    assert len(backend.calls) == 2
    assert not await DiscoveredModel.objects.aexists()


async def test_reader_that_leaves_between_two_checks_ends_it_too(
    row: Backend, backend: FakeBackend
) -> None:
    steps = cast(AsyncGenerator[bytes], progress_lines(row.pk, ALPHA))
    await anext(steps)
    await steps.aclose()
    assert len(backend.calls) == 1
    assert not await DiscoveredModel.objects.aexists()
