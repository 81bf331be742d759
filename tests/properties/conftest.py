"""How many examples a property gets, and which.

    quick      60, the same in every run: part of `make test`
    thorough   10,000, the same in every run: HYPOTHESIS_PROFILE=thorough
    hunt       10,000 new ones each time, for whoever looks for trouble

A property that fails prints its smallest example; it becomes a case of its own before it is mended.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

SAME = settings(
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow],
)

settings.register_profile("quick", SAME, max_examples=60)
settings.register_profile("thorough", SAME, max_examples=10_000)
settings.register_profile("hunt", SAME, max_examples=10_000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
