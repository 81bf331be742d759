"""The shares of a budget at which its holder is warned. Pure."""

from __future__ import annotations

WARNINGS = (0.75, 0.95)
"""Of the whole budget, rising: a notice in the client, and a warning to operators."""
USED_UP = 1.0


def surpassed(share: float) -> float | None:
    """The highest of the warnings that this share has come to; None below all of them."""
    return max((each for each in WARNINGS if share >= each), default=None)
