"""All checks, in the order in which they are made. Pure.

What later ones build on comes first: whether the model answers at all, whether it takes a fixed
temperature, whether it thinks.
"""

from __future__ import annotations

from bridge.probe.check import Check
from bridge.probe.completion_checks import PLAIN, SHAPED
from bridge.probe.limit_checks import LIMITS
from bridge.probe.media_checks import SHOWING
from bridge.probe.system_checks import INSTRUCTING
from bridge.probe.thinking_checks import THINKING
from bridge.probe.tool_checks import CALLING

CHECKS: tuple[Check, ...] = (
    *PLAIN,
    *THINKING,
    *INSTRUCTING,
    *CALLING,
    *SHOWING,
    *SHAPED,
    *LIMITS,
)
