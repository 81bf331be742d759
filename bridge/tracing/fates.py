"""What becomes of spans."""

from __future__ import annotations

from enum import StrEnum


class SpanFate(StrEnum):
    """EXPORTED: the collector took it. DROPPED: there was no room to wait for it. FAILED: the
    collector did not take it."""

    EXPORTED = "exported"
    DROPPED = "dropped"
    FAILED = "failed"
