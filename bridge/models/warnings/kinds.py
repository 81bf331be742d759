"""The kinds of warnings, one row each. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.keys.thresholds import WARNINGS

BUDGET, BACKEND, ERRORS = "budget", "backend", "errors"
KEY_EXPIRY, LEDGER, DISK = "key_expiry", "ledger", "disk"
EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class WarningKind:
    """What one kind of warning is about.

    label       as forms call it
    unit        of its thresholds: %, seconds or days
    thresholds  at which it is raised, where a rule names none
    most        the largest threshold that makes sense
    falls       the value comes from above, and less of it is worse
    calm        seconds that a state must be over before it counts as over
    margin      how far beyond the threshold it must be for that
    """

    label: str
    unit: str
    thresholds: tuple[int, ...]
    most: int
    falls: bool = False
    calm: float = 0.0
    margin: float = 0.0

    def reaches(self, value: float, threshold: int) -> bool:
        """Whether this value is one to warn of."""
        return value <= threshold if self.falls else value >= threshold

    def is_past(self, value: float, threshold: int) -> bool:
        """Whether a value that was reached is left, with the margin."""
        return value < threshold - self.margin

    def worst_last(self, thresholds: set[int]) -> list[int]:
        return sorted(thresholds, reverse=self.falls)

    @property
    def default_words(self) -> str:
        numbers = ", ".join(map(str, self.thresholds))
        return f"{numbers} {self.unit}"


_OF_BUDGETS = (*(round(100 * share) for share in WARNINGS), 100)
"""Where clients show it too, and where it ends."""
WARNING_KINDS: dict[str, WarningKind] = {
    BUDGET: WarningKind("A budget or quota is nearly used", "%", _OF_BUDGETS, 100),
    BACKEND: WarningKind("A backend is down, and back", "seconds", (60,), 86_400, calm=60.0),
    ERRORS: WarningKind("Requests of a model fail", "%", (25,), 100, calm=600.0, margin=5.0),
    KEY_EXPIRY: WarningKind("A key expires", "days", (7, 1), 365, falls=True),
    LEDGER: WarningKind("Usage records wait", "seconds", (300,), 86_400, calm=300.0),
    DISK: WarningKind("The disk fills", "%", (90,), 100, calm=600.0, margin=2.0),
}
