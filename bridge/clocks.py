"""The clocks of one process, handed to the parts that need one."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Clocks:
    """`wall`: seconds since 1970, which may be set; `steady`: seconds that only ever grow."""

    wall: Clock = time.time
    steady: Clock = time.monotonic


SYSTEM = Clocks()
"""The clocks of the machine."""
