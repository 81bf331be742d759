"""Discovery over one real backend, under a clock that stands still until it is moved."""

from bridge import process_settings
from bridge.backends.client import BackendClient
from bridge.backends.discovery import Discovery
from bridge.backends.health import Health
from bridge.configuration.snapshot_store import SnapshotStore
from bridge.routing.types import BackendConfig
from tests.bridge.making import Clock
from tests.fakes.backend import MODELS, FakeBackend


class Found:
    """One backend row, discovery over it, and what is known so far."""

    def __init__(self, upstream: BackendClient, store: SnapshotStore, clock: Clock) -> None:
        self.store, self.clock = store, clock
        self.health = Health(5, 30.0, clock)
        self.discovery = Discovery(
            upstream, self.health, store, process_settings.read().backends, clock
        )

    @property
    def backend(self) -> BackendConfig:
        return self.store.current.routes.backends[0]

    @property
    def names(self) -> list[str] | None:
        return None if self.backend.models is None else list(self.backend.models)

    @property
    def reachable(self) -> bool | None:
        return self.health.of(self.backend).reachable

    @property
    def next_read_in(self) -> float:
        return self.discovery.progress(self.backend).due_at - self.clock.now

    async def prepare(self, key: str = "", model: str = "a") -> None:
        """What a request of this caller for this model waits for."""
        await self.discovery.prepare(model, "", lambda backend: key)

    async def refresh(self, key: str = "") -> None:
        await self.discovery.refresh(self.backend, key)


def reads(backend: FakeBackend) -> int:
    return len(backend.requests_for(MODELS))
