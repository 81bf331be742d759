"""All checks, in the order in which they are made. Pure.

What later ones build on comes first: whether the model answers at all, whether it takes a fixed
temperature, whether it thinks.
"""

from __future__ import annotations

from .answering import PLAIN, SHAPED
from .calling import CALLING
from .instructing import INSTRUCTING
from .limits import LIMITS
from .showing import SHOWING
from .thinking import THINKING
from .trial import Check

CHECKS: tuple[Check, ...] = (
    *PLAIN,
    *THINKING,
    *INSTRUCTING,
    *CALLING,
    *SHOWING,
    *SHAPED,
    *LIMITS,
)
