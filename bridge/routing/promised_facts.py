"""What a client may rely on, whichever of several targets answers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bridge.routing.types import Target
from bridge.translation.profiles import ModelFacts


def promised_facts(targets: Sequence[Target]) -> ModelFacts | None:
    """The facts of the first, but sizes are the smallest known and abilities those of all."""
    known = [target.facts for target in targets]
    if not known:
        return None
    return replace(
        known[0],
        context=min((f.context for f in known if f.context), default=None),
        max_output=min((f.max_output for f in known if f.max_output), default=None),
        vision=_all(facts.vision for facts in known),
        tools=_all(facts.tools for facts in known),
    )


def _all(answers: Iterable[bool | None]) -> bool | None:
    """No if one says no, yes if all say yes."""
    verdicts = list(answers)
    if False in verdicts:
        return False
    return None if None in verdicts else True
