"""How often anybody may try something, whatever it is. Each process counts for itself."""

from __future__ import annotations

from django.core.cache import cache

_NAME = "attempts-{what}-{whose}"


def take(what: str, whose: str, most: int, seconds: int) -> bool:
    """Count one try; False when there were too many within the time that began with the first."""
    name = _NAME.format(what=what, whose=whose)
    cache.add(name, 0, seconds)
    try:
        return bool(cache.incr(name) <= most)
    except ValueError:  # it ended in between
        return True


def forgive(what: str, whose: str) -> None:
    """Count from nothing again."""
    cache.delete(_NAME.format(what=what, whose=whose))


def are_left(what: str, whose: str, most: int) -> bool:
    """Whether no more were counted than that."""
    return bool(cache.get(_NAME.format(what=what, whose=whose), 0) <= most)
