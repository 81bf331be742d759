"""What became of a request, by its status. Pure."""

from __future__ import annotations

ABANDONED = 499
"""The status of a request whose client left before the end."""


def outcome(status: int) -> str:
    """What became of a request with this status: answered, refused, abandoned or error."""
    if status == ABANDONED:
        return "abandoned"
    if status < 400:
        return "answered"
    return "refused" if status < 500 else "error"


def is_fault(status: int) -> bool:
    """Whether a request with this status was refused or failed, and so has an error to tell."""
    return status >= 400 and status != ABANDONED
