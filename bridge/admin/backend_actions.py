"""What an operator can do to a backend: the buttons' work."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from asgiref.sync import async_to_sync

from bridge import process_settings
from bridge.backends import breaker_sync
from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.backends.status import problem_of
from bridge.configuration import snapshot
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.models import Backend
from bridge.routing.types import BackendConfig
from bridge.runtime.gateway import running
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.redaction import redact
from bridge.translation.json import decode, encode
from bridge.translation.profiles import for_model

TEST_TOKENS = 16
MAX_REPLY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ActionResult:
    """What came of pressing a button."""

    well: bool
    text: str


def reset_breaker(row: Backend) -> None:
    """Forget its failures, in every process, at once."""
    breaker_sync.reset(row.pk)


# --- asking the backend -----------------------------------------------------------------------


def refresh_models(row: Backend) -> ActionResult:
    """Read the backend's model list now."""
    if problem := problem_of(row):
        return ActionResult(False, f"{row}: {problem}")
    return async_to_sync(_refresh)(snapshot.backend_of(row))


@asynccontextmanager
async def _backend_access() -> AsyncIterator[tuple[BackendClient, Discovery]]:
    """The running gateway's client and discovery; outside a server a client for this action."""
    gateway = running()
    if gateway is not None:
        yield gateway.upstream, gateway.discovery
        return
    settings = process_settings.read().backends
    async with aclosing(BackendClient(settings.backend_connect_timeout)) as client:
        health = Health(settings.breaker_failures, settings.breaker_seconds)
        yield client, Discovery(client, health, SnapshotStore(), settings)


async def _refresh(backend: BackendConfig) -> ActionResult:
    async with _backend_access() as (_, discovery):
        progress = await discovery.refresh(backend, backend.key)
    if progress.failure:
        return ActionResult(False, f"{backend.name}: no model list. {progress.failure}")
    return ActionResult(True, f"{backend.name}: {progress.listed} models listed.")


def test_backend(row: Backend) -> list[ActionResult]:
    """Ask for the model list and for one short answer; what came of both."""
    if problem := problem_of(row):
        return [ActionResult(False, f"{row}: {problem}")]
    target = snapshot.backend_of(row)
    results = [async_to_sync(_refresh)(target)]
    row.refresh_from_db()
    model = row.models.filter(listed=True).values_list("name", flat=True).first()
    if model is None:
        alias_target = row.targets.first()
        model = alias_target.model if alias_target else None
    if model is None:
        return [
            *results,
            ActionResult(False, f"{row}: no model to ask; add an alias, or a key for the list."),
        ]
    return [*results, async_to_sync(_ask)(target, str(model))]


async def _ask(backend: BackendConfig, model: str) -> ActionResult:
    profile = for_model(backend.profile, model)
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Say OK."}],
        profile.max_tokens_field: TEST_TOKENS,
    }
    begun = time.monotonic()
    try:
        async with _backend_access() as (client, _):
            reply = await client.send(backend, backend.key, encode(body))
            async with aclosing(reply):
                raw = await reply.read(MAX_REPLY, backend.timeout)
    except ApiError as error:
        return ActionResult(False, f"{backend.name}: {error.for_operators}")
    seconds = time.monotonic() - begun
    if reply.status != 200:
        return ActionResult(False, f"{model}: status {reply.status}. {_refusal(raw, backend)}")
    if not _is_completion(raw):
        return ActionResult(
            False, f"{model}: status 200, but no completion. {_refusal(raw, backend)}"
        )
    return ActionResult(True, f"{model} answered in {_duration(seconds)}.")


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _is_completion(raw: bytes) -> bool:
    try:
        document = decode(raw)
    except ValueError:
        return False
    return isinstance(document, dict) and isinstance(document.get("choices"), list)


def _refusal(raw: bytes, backend: BackendConfig) -> str:
    """The beginning of the backend's answer, without its address and its key."""
    text = raw[:1000].decode("utf-8", "replace")
    return " ".join(redact(text, (backend.key, backend.host)).split())[:300]
