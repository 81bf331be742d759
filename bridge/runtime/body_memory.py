"""The memory that bodies of requests may take in this process, whoever sends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bridge.translation.errors.api_error import ApiError


class BodyMemory:
    """Bytes of bodies that are held at the moment, together at most `limit`."""

    def __init__(self, limit: int, setting: str) -> None:
        self.limit, self.held = limit, 0
        self._setting = setting

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What one request holds, given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.held -= share.size

    def full(self) -> ApiError:
        message = f"Gateway is at capacity: too many request bodies at once ({self._setting})"
        return ApiError(529, message, retry_after=1)


class Share:
    """One request's part of the memory."""

    def __init__(self, memory: BodyMemory) -> None:
        self.size = 0
        self._memory = memory

    def take(self, size: int) -> None:
        """Hold this much more. Raises a 529 when there is no room for it."""
        if self._memory.held + size > self._memory.limit:
            raise self._memory.full()
        self.size += size
        self._memory.held += size
