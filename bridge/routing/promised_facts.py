"""What a client may rely on behind a name, whichever of its targets answers. Pure.

Claude Code compacts a conversation by the one window that it knows for its model. Each request goes
to a target that it fits, so what counts is the largest window among the targets that take main
conversations: the smaller ones serve as long as the prompt fits them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bridge.routing.conditions import ALWAYS, RequestTraits
from bridge.routing.groups import MAIN_CONVERSATION
from bridge.routing.types import Target
from bridge.translation.profiles import ModelFacts
from bridge.translation.prompt_size import PromptSize

WITH_IMAGE = PromptSize(images=1)
CONVERSATIONS = (MAIN_CONVERSATION, replace(MAIN_CONVERSATION, asks_to_think=False))
"""Requests of a main conversation without an image, of any size; Claude Code's come first."""
CONVERSATIONS_WITH_IMAGE = tuple(replace(traits, prompt=WITH_IMAGE) for traits in CONVERSATIONS)


def promised(targets: Sequence[Target]) -> Target:
    """Of one target or more, where a main conversation leads first, with what all promise together.

    context      tokens of the longest prompt of a main conversation that some target takes
    max_output   the smallest that is known among the targets of main conversations
    tools        what all of these can do
    vision       the same, of the targets for images where there are such
    """
    if len(targets) == 1 and _takes_all(targets[0]):
        return targets[0]
    if all(map(_takes_all, targets)):
        longest = _largest(target.facts.context for target in targets)
        return _with(targets[0], longest, targets, targets)
    groups = [[t for t in targets if _takes(t, request)] for request in CONVERSATIONS]
    first = next((group[0] for group in groups if group), targets[0])
    main = [t for t in targets if any(t in group for group in groups)] or targets
    seeing = [t for t in targets if t.conditions.has_image and _takes_images(t)]
    lengths = filter(None, (_largest(map(_reach, group)) for group in groups))
    longest = min(lengths, default=None) or _largest(map(_reach, main))
    return _with(first, longest, main, seeing or main)


def _with(
    target: Target, longest: int | None, main: Sequence[Target], seeing: Sequence[Target]
) -> Target:
    """This target with what these promise."""
    facts = target.facts
    answers = [t.facts.max_output for t in main if t.facts.max_output]
    shortest = min(answers, default=None)
    vision = _all([t.facts.vision for t in seeing])
    tools = _all([t.facts.tools for t in main])
    known = (facts.context, facts.max_output, facts.vision, facts.tools)
    if known == (longest, shortest, vision, tools):
        return target
    promise = replace(facts, context=longest, max_output=shortest, vision=vision, tools=tools)
    return replace(target, facts=promise)


def promised_facts(targets: Sequence[Target]) -> ModelFacts | None:
    """The facts of a name that leads to these targets; None for no target."""
    return promised(targets).facts if targets else None


def takes_conversations(targets: Iterable[Target]) -> bool:
    """Whether a main conversation of some size is served by any of these."""
    requests = (*CONVERSATIONS, *CONVERSATIONS_WITH_IMAGE)
    return any(_takes(target, request) for target in targets for request in requests)


def _takes_all(target: Target) -> bool:
    return target.choice is None or target.choice.conditions == ALWAYS


def _takes(target: Target, request: RequestTraits) -> bool:
    """Whether it takes this request at some size."""
    if _takes_all(target):
        return True
    conditions = replace(target.conditions, prompt_above=None, prompt_below=None)
    return not conditions.unmet(request, 0)


def _takes_images(target: Target) -> bool:
    return any(_takes(target, request) for request in CONVERSATIONS_WITH_IMAGE)


def _reach(target: Target) -> int | None:
    """Tokens of the longest prompt that a target takes; None where its window is not known."""
    conditions = target.conditions
    sizes = [size for size in (target.facts.context, conditions.prompt_below) if size]
    longest = min(sizes, default=None)
    is_reached = longest is None or (conditions.prompt_above or 0) < longest
    return longest if is_reached else None


def _largest(sizes: Iterable[int | None]) -> int | None:
    return max(filter(None, sizes), default=None)


def _all(answers: Sequence[bool | None]) -> bool | None:
    """No if one says no, yes if all say yes."""
    if False in answers:
        return False
    return None if None in answers else True
