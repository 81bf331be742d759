"""The check of sizes: a token limit that is far too large, and what its refusal tells. Pure.

Nothing large is sent or generated: a server that takes the limit is left at its first words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from bridge.probe.check import Check, CheckVerdict, Subject, ask
from bridge.probe.completion_checks import SUM
from bridge.probe.reply import Body, ProbeReply
from bridge.translation.errors import context_overflow

HUGE = 100_000_000
FIRST_WORDS = 300
"""Bytes of a stream after which the limit counts as taken."""
_LEAST = 256

_LONGEST_ANSWER = tuple(
    re.compile(pattern, re.I)
    for pattern in (
        r"at most (\d+) (?:completion|output) tokens",
        r"range of \W?max_(?:completion_)?tokens\W? (?:is|should be) \[\d+, ?(\d+)\]",
        r"max_(?:completion_)?tokens\b.{0,80}less than or equal to \W?(\d+)",
        r"max_(?:completion_)?tokens\b.{0,80}expected a value <= (\d+)",
        r"max_(?:completion_)?tokens\b.{0,80}between \d+ and (\d+)",
        r"> (\d+), which is the maximum allowed number of output tokens",
    )
)
"""How servers word the longest answer that they give."""


def _huge(subject: Subject) -> Body:
    return {**ask(subject, SUM, stream=True), subject.profile.max_tokens_field: HUGE}


def _names_sizes(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    facts = _sizes(reply) if reply.error else {}
    if facts:
        return CheckVerdict(True, f"From the refusal: {reply.words}", facts)
    if declared := subject.facts.context:
        return CheckVerdict(True, f"The model list declares a context of {declared} tokens")
    if reply.error:
        return CheckVerdict(False, f"The refusal names no limit: {reply.words}")
    return CheckVerdict(None, f"A limit of {HUGE} tokens was taken, so the true one is not known")


def _sizes(reply: ProbeReply) -> dict[str, Any]:
    """The limits that a refusal names, in tokens."""
    found = context_overflow.recognise(reply.words, reply.document)
    sizes = {"context": found.context if found else 0, "max_output": _longest_answer(reply.words)}
    return {name: size for name, size in sizes.items() if _LEAST <= size < HUGE}


def _longest_answer(text: str) -> int:
    matches = (pattern.search(text) for pattern in _LONGEST_ANSWER)
    return next((int(match[1]) for match in matches if match), 0)


LIMITS: Iterable[Check] = (
    Check(
        "limits",
        "Sizes are reported",
        _huge,
        _names_sizes,
        judges_refusals=True,
        read_bytes=FIRST_WORDS,
    ),
)
