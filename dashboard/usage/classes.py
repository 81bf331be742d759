"""What the requests of one class used. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.usage.totals import Totals


@dataclass(frozen=True, slots=True)
class ClassUse:
    """`request_class`: "" where clients named none.  `part`: of the cost that is known."""

    request_class: str
    total: Totals
    part: float | None
