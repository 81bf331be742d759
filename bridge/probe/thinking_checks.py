"""Checks of thinking: where it stands in an answer, and whether it can be turned off. Pure.

The switches are those that the gateway sends to this family of backends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from bridge.probe.check import Check, CheckVerdict, Subject, ask, quoted, user
from bridge.probe.reply import OPEN, TAGS, Body, ProbeReply
from bridge.translation.json import JSON, encode, encode_text
from bridge.translation.request.schema import RequestLimits, read_request
from bridge.translation.request.thinking import switches

PUZZLE = user("Is 51 a prime number? Answer yes or no.")
ROOM = 1500
_SETTINGS = {TAGS: "tags", OPEN: "open"}
_CANNOT_THINK = re.compile(r"does(?: not|n't) support (?:thinking|reasoning)", re.I)


def switch(subject: Subject, on: bool) -> dict[str, JSON]:
    """The fields that turn thinking on or off at this family."""
    thinking = {"type": "adaptive" if on else "disabled"}
    body = {"model": subject.model, "max_tokens": 1, "messages": [user("x")], "thinking": thinking}
    request = read_request(encode(body), RequestLimits())
    return switches(request, subject.profile, replace(subject.facts, reasoning=True))


def _puzzle(subject: Subject, on: bool) -> Body:
    body = ask(subject, PUZZLE, room=ROOM, **switch(subject, on))
    # Some servers take no temperature beside their switch.
    return {name: value for name, value in body.items() if name != "temperature"}


def _on(subject: Subject) -> Body:
    return _puzzle(subject, True)


def _thinks(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if reply.thought.strip():
        return CheckVerdict(True, f"In {_place(reply)}: {quoted(reply.thought)}")
    if reply.usage and reply.usage.reasoning:
        count = reply.usage.reasoning
        return CheckVerdict(
            True, f"Hidden, but {count} tokens of it are counted", {"reasoning": True}
        )
    came = (
        f"answered with {reply.words}"
        if reply.error
        else "none came, although the request asks for it"
    )
    if subject.thinks:
        return CheckVerdict(True, f"Seen in an earlier answer. With the switch: {came}")
    return CheckVerdict(False, f"Thinking: {came}", _cannot_think(reply))


def _place(reply: ProbeReply) -> str:
    """Where thinking stood, and what to set where it stood in the text."""
    setting = _SETTINGS.get(reply.thought_in)
    return (
        f"{reply.thought_in} (read with inline_thinking {setting})" if setting else reply.thought_in
    )


def _cannot_think(reply: ProbeReply) -> Mapping[str, Any]:
    return {"reasoning": False} if _CANNOT_THINK.search(reply.words) else {}


def _off(subject: Subject) -> Body:
    return _puzzle(subject, False)


def _is_off(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    sent = encode_text(switch(subject, False))
    if reply.thought.strip():
        return CheckVerdict(False, f"It thought all the same: {quoted(reply.thought)}")
    if reply.usage and reply.usage.reasoning:
        return CheckVerdict(
            False, f"{reply.usage.reasoning} tokens of thinking are counted all the same"
        )
    if not subject.thinks:
        return CheckVerdict(None, "No thinking was seen that could be turned off")
    return CheckVerdict(True, f"None came with {sent}")


THINKING: Iterable[Check] = (
    Check("reasoning", "Thinking is separate", _on, _thinks, judges_refusals=True),
    Check("reasoning_off", "Thinking can be turned off", _off, _is_off),
)
