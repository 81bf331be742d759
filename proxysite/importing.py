"""Imports without the garbage collector, and a calm one for what comes after them.

A start makes some hundred thousand objects that live as long as the process. The collector would
look through them again and again while they are made, at each full collection afterwards, and once
more at the end; that is a third of the processor time of a start and a stop.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

ALLOCATIONS = 10_000
"""So many more objects than were freed, and the collector looks at the young ones. A request makes
thousands and leaves hardly a cycle: at the usual 700 the collector took 5 to 9 % of its CPU."""
UNUSED = ("django.contrib.postgres.fields",)
"""The admin's theme has widgets for these fields where they can be imported. No model here has one,
and with them comes PostgreSQL's driver: 9 MiB that a gateway with a SQLite file never uses."""


def leave_out_unused() -> None:
    """Let an import of what is not used fail, as if it were not installed."""
    modules: dict[str, ModuleType | None] = sys.modules  # type: ignore[assignment]
    for name in UNUSED:
        modules.setdefault(name, None)


@contextmanager
def lasting() -> Iterator[None]:
    """What is made meanwhile, and all that was there before, is not looked at by the collector."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(ALLOCATIONS)
        gc.enable()
