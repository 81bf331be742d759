"""What a client may rely on behind a name, whichever of its targets answers. Pure.

Claude Code compacts a conversation by the one window that it knows for its model. Each request goes
to a target that it fits, so what counts is the largest window among the targets that take main
conversations: the smaller ones serve as long as the prompt fits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bridge.routing.conditions import ALWAYS, RequestTraits
from bridge.routing.types import Target
from bridge.translation.profiles import ModelFacts
from bridge.translation.prompt_size import PromptSize
from bridge.translation.request.purpose import MAIN

WITH_IMAGE = PromptSize(images=1)
CONVERSATIONS = tuple(RequestTraits(MAIN, asks_to_think=thinks) for thinks in (True, False))
"""Requests of a main conversation without an image, of any size."""
CONVERSATIONS_WITH_IMAGE = tuple(replace(traits, prompt=WITH_IMAGE) for traits in CONVERSATIONS)


def promised(targets: Sequence[Target]) -> Target:
    """Of one target or more, where a main conversation leads first, with what all promise together.

    context      tokens of the longest prompt of a main conversation that some target takes
    max_output   the smallest that is known among the targets of main conversations
    tools        what all of these can do
    vision       the same, of the targets for images where there are such
    """
    main = _conversing(targets)
    seeing = [target for target in targets if _takes(target, CONVERSATIONS_WITH_IMAGE)]
    chosen = [target for target in seeing if target.conditions.has_image]
    facts = replace(
        main[0].facts,
        context=_longest_prompt(main),
        max_output=min((t.facts.max_output for t in main if t.facts.max_output), default=None),
        vision=_all(target.facts.vision for target in chosen or main),
        tools=_all(target.facts.tools for target in main),
    )
    return replace(main[0], facts=facts)


def promised_facts(targets: Sequence[Target]) -> ModelFacts | None:
    """The facts of a name that leads to these targets; None for no target."""
    return promised(targets).facts if targets else None


def _conversing(targets: Sequence[Target]) -> Sequence[Target]:
    """The targets that take main conversations; all where none does."""
    return [target for target in targets if _takes(target, CONVERSATIONS)] or targets


def _takes(target: Target, requests: Iterable[RequestTraits]) -> bool:
    """Whether it takes one of these, at some size."""
    if target.conditions == ALWAYS:
        return True
    conditions = replace(target.conditions, prompt_above=None, prompt_below=None)
    return any(not conditions.unmet(request, 0) for request in requests)


def _longest_prompt(targets: Sequence[Target]) -> int | None:
    """The largest window, whether the client asks to think or not; None where none is known."""
    groups = [[t for t in targets if _takes(t, [request])] for request in CONVERSATIONS]
    longest = [max(filter(None, map(_reach, group)), default=None) for group in groups]
    known = min(filter(None, longest), default=None)
    return known or max(filter(None, map(_reach, targets)), default=None)


def _reach(target: Target) -> int | None:
    """Tokens of the longest prompt that a target takes; None where its window is not known."""
    conditions = target.conditions
    sizes = [size for size in (target.facts.context, conditions.prompt_below) if size]
    longest = min(sizes, default=None)
    is_reached = longest is None or (conditions.prompt_above or 0) < longest
    return longest if is_reached else None


def _all(answers: Iterable[bool | None]) -> bool | None:
    """No if one says no, yes if all say yes."""
    verdicts = list(answers)
    if False in verdicts:
        return False
    return None if None in verdicts else True
