"""The clock of this machine beside those of others."""

from __future__ import annotations

from bridge.management.doctor.results import CheckResult, ok, problem, warning

SUBJECT = "clock"
NOTICED, FAR = 5.0, 60.0
"""Seconds: beyond the first it is told; beyond the second limits and sign-ins go wrong."""
REMEDY = "let both machines keep their time by NTP"


def compared(whose: str, seconds: float, exact: float = 0.0) -> CheckResult:
    """`seconds`: how much the other clock is ahead; `exact`: to how many seconds that is known."""
    off = max(0.0, abs(seconds) - exact)
    if off <= NOTICED:
        return ok(SUBJECT, f"agrees with that of {whose}")
    which = "ahead of" if seconds > 0 else "behind"
    text = f"that of {whose} is {off:.0f} s {which} this machine's"
    return (problem if off > FAR else warning)(SUBJECT, text, REMEDY)
