"""Checks of system messages, at the start and later. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bridge.probe.check import (
    Check,
    CheckVerdict,
    Subject,
    answer_in_words,
    ask,
    assistant,
    quoted,
    system,
    user,
)
from bridge.probe.reply import Body, ProbeReply

WORD = "BANANA"
ORDER = f"End every answer with the word {WORD}."


def _first(subject: Subject) -> Body:
    return ask(subject, system(ORDER), user("Say hello."))


def _later(subject: Subject) -> Body:
    return ask(
        subject,
        user("Say hello."),
        assistant("Hello!"),
        system(f"From now on: {ORDER}"),
        user("Say good morning."),
    )


def _is_heeded(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if WORD.lower() in reply.text.lower():
        return CheckVerdict(True, f"The answer does what the message says: {quoted(reply.text)}")
    return CheckVerdict(False, f"It was taken and not heeded: {answer_in_words(reply)}")


INSTRUCTING: Iterable[Check] = (
    Check("system_first", "System message at the start", _first, _is_heeded),
    Check("system_later", "System message later on", _later, _is_heeded),
)
