"""Rows -> one immutable snapshot of the configuration, and the loop that keeps it current.

The data plane reads the snapshot and never the database. A reload builds a new one beside the
old and swaps a reference: running requests keep theirs. When the database is away, the last good
snapshot serves on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError

from bridge import environment_rows, routing
from bridge.keys import IssuedKey
from bridge.models import (
    ApiKey,
    Backend,
    ConfigVersion,
    DiscoveredModel,
    ModelAlias,
    Origin,
    ToolNameMap,
)
from bridge.translation.profile import PROFILES, ModelFacts, Profile

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
DEMO_NAME = "demo"
DEMO_URL = "demo://local/v1"
DEMO_MODEL = "demo/echo"

_HOSTS: tuple[tuple[str, str], ...] = (
    ("openrouter.ai", "openrouter"),
    ("api.deepseek.com", "deepseek"),
    ("chutes.ai", "chutes"),
    ("api.openai.com", "openai"),
    (":11434", "ollama"),
)
"""What a base URL gives away about the family behind it."""

_OWNERS: dict[str, str] = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llamacpp"}
"""`owned_by` of model entries -> family."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole configuration at one version. `keys` is by digest."""

    version: int = -1
    routes: routing.Routes = field(default_factory=routing.Routes)
    keys: Mapping[str, IssuedKey] = field(default_factory=dict)
    operator_key_in_use: bool = False

    @property
    def is_demo(self) -> bool:
        return any(backend.is_demo for backend in self.routes.backends)


class SnapshotStore:
    """Holds the current snapshot of this process."""

    def __init__(self) -> None:
        self.current = Snapshot()
        self._loaded = asyncio.Event()

    async def load(self) -> None:
        """Read the rows if their version is new. Raises DatabaseError."""
        found = await database_sync_to_async(_read)(self.current.version)
        if found is not None:
            self.current = found
        self._loaded.set()

    @property
    def is_loaded(self) -> bool:
        return self._loaded.is_set()

    async def loaded(self) -> None:
        """Wait for the first snapshot."""
        await self._loaded.wait()

    async def start(self) -> None:
        """Bring the environment's rows up to date and load the first snapshot."""
        await database_sync_to_async(environment_rows.apply)()
        await self.load()

    async def keep_current(self) -> None:
        """Reload within a second of any change, for as long as the process lives."""
        away = False
        while True:
            try:
                await (self.load() if self.is_loaded else self.start())
                if away:
                    logger.warning("the database is back; the configuration is current again")
                away = False
            except DatabaseError as error:
                if not away:
                    logger.error("the database is away, the last snapshot serves on: %s", error)
                away = True
            await asyncio.sleep(POLL_SECONDS)


def _read(known_version: int) -> Snapshot | None:
    """The snapshot, or None when the version is the known one."""
    version = ConfigVersion.current()
    if version == known_version:
        return None
    return build(version)


def build(version: int) -> Snapshot:
    """One snapshot from the rows as they are."""
    backends = tuple(_backends())
    demo = not Backend.objects.exclude(origin=Origin.ENVIRONMENT, enabled=False).exists()
    if demo:
        backends = (_demo(),)
    aliases = tuple(
        routing.Alias(row.pattern, row.backend.name, row.model)
        for row in ModelAlias.objects.filter(enabled=True).select_related("backend")
    )
    if demo:
        aliases += (routing.Alias("claude-*", DEMO_NAME, DEMO_MODEL),)
    tools = tuple(
        routing.ToolName(row.backend_name, row.client_name, row.model_pattern)
        for row in ToolNameMap.objects.all()
    )
    routes = routing.Routes(backends, aliases, tools, settings.AUTO_FIX_MODEL_CASE)
    return Snapshot(version, routes, _keys(), any(backend.key for backend in backends))


def _backends() -> list[routing.Backend]:
    models: dict[int, list[DiscoveredModel]] = {}
    for row in DiscoveredModel.objects.filter(listed=True):
        models.setdefault(row.backend_id, []).append(row)
    found = []
    for backend in Backend.objects.filter(enabled=True):
        rows = models.get(backend.pk, [])
        found.append(
            routing.Backend(
                id=backend.pk,
                name=backend.name,
                url=backend.url.rstrip("/"),
                profile=profile_of(backend, rows),
                key=_credential(backend),
                auth_header=backend.auth_header.lower(),
                timeout=float(backend.timeout_seconds),
                models={row.name: _facts(row) for row in rows} if rows else None,
            )
        )
    return found


def _credential(backend: Backend) -> str:
    name = backend.credential.removeprefix("env:")
    return settings.BACKEND_SECRET(name) if name else ""


def profile_of(backend: Backend, rows: list[DiscoveredModel]) -> Profile:
    """The family as told, else from what the address and the model list give away."""
    if backend.dialect in PROFILES:
        return PROFILES[backend.dialect]
    address = backend.url.partition("://")[2]
    by_host = next((name for mark, name in _HOSTS if mark in address.split("/")[0]), None)
    owners = (_OWNERS.get(str(row.entry.get("owned_by"))) for row in rows)
    return PROFILES[by_host or next(filter(None, owners), None) or "generic"]


def _facts(row: DiscoveredModel) -> ModelFacts:
    return ModelFacts(
        name=row.name,
        context=row.context,
        max_output=row.max_output,
        vision=row.vision,
        tools=row.tools,
        reasoning=row.reasoning,
        dialect=row.dialect,
        inline_thinking=row.inline_thinking,
        written_calls=row.written_calls,
        refused=frozenset(row.refused),
    )


def _demo() -> routing.Backend:
    facts = ModelFacts(DEMO_MODEL, vision=True, tools=True, reasoning=True)
    return routing.Backend(0, DEMO_NAME, DEMO_URL, PROFILES["generic"], models={DEMO_MODEL: facts})


def _keys() -> dict[str, IssuedKey]:
    return {
        row.digest: IssuedKey(
            row.pk, row.name, row.enabled, row.expires_at.timestamp() if row.expires_at else None
        )
        for row in ApiKey.objects.all()
    }
