"""A probe as lines of JSON, for a page that shows it while it runs.

    {"done": 3, "total": 24, "check": "usage", "title": ..., "works": true, "evidence": ...}
    {"finished": true, "facts": {"tools": true}}

or, as the last line, ``{"error": "..."}``. Whoever stops reading ends the probe.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from django.conf import settings
from django.db import DatabaseError

from bridge.backends.client import BackendClient
from bridge.database_steps import in_database
from bridge.models import Backend
from bridge.probe.check import Finding, known_facts
from bridge.probe.run import run
from bridge.probe.target import ProbeError, ProbeTarget, resolve_target, store
from bridge.translation.json import encode

NO_BACKEND = "This backend is not configured any more"
NOT_STORED = "The findings could not be stored"


async def progress_lines(backend_id: int, model: str) -> AsyncIterator[bytes]:
    """The lines of one probe, each with its line end. Made for a streamed response."""
    findings: list[Finding] = []
    try:
        target = await in_database(_target)(backend_id, model)
        async with aclosing(_lines(target, findings)) as lines:
            async for line in lines:
                yield line
        await in_database(store)(backend_id, model, findings)
    except ProbeError as problem:
        yield _line({"error": str(problem)})
    except DatabaseError:
        yield _line({"error": NOT_STORED})
    else:
        yield _line({"finished": True, "facts": known_facts(findings)})


def _target(backend_id: int, model: str) -> ProbeTarget:
    row: Backend | None = Backend.objects.filter(pk=backend_id).first()
    if row is None:
        raise ProbeError(NO_BACKEND)
    return resolve_target(row, model)


async def _lines(target: ProbeTarget, findings: list[Finding]) -> AsyncGenerator[bytes]:
    async with (
        aclosing(BackendClient(settings.BACKEND_CONNECT_TIMEOUT)) as upstream,
        aclosing(run(upstream, target)) as steps,
    ):
        async for step in steps:
            findings.append(step.finding)
            yield _line({"done": step.done, "total": step.total, **step.finding.document()})


def _line(document: dict[str, object]) -> bytes:
    return encode(document) + b"\n"
