"""Checks of plain and streamed answers, and of the fields that shape them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bridge.probe.check import (
    Check,
    CheckVerdict,
    Subject,
    answer_in_words,
    ask,
    assistant,
    quoted,
    user,
)
from bridge.probe.reply import Body, ProbeReply
from bridge.translation.json import JSON, decode
from bridge.translation.response.deltas import ReportedUsage

SUM = user("What is 2 + 3? Answer with the number alone.")
COUNT = user("Count from 1 to 9, separated by commas.")
LONG_COUNT = user("Count from 1 to 60, separated by commas.")
CAPITAL = user("What is the capital of France? Answer in one sentence.")

FIRST_ROOM = 1000
"""It is not known yet whether this model thinks before it speaks."""
STOP = "5"
SHORT = 12
BEGUN = "Ahoy! The capital of"
REST = "France"
SCHEMA: JSON = {
    "type": "object",
    "properties": {"colour": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["colour", "count"],
    "additionalProperties": False,
}


def _plain(subject: Subject) -> Body:
    return ask(subject, SUM, room=FIRST_ROOM)


def _is_answered(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    return CheckVerdict(
        bool(reply.text.strip()), f"Asked for 2 + 3{_ending(reply)}: {answer_in_words(reply)}"
    )


def _ending(reply: ProbeReply) -> str:
    return f", finish_reason {reply.finish}" if reply.finish else ""


def _has_usage(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if reply.usage is None:
        return CheckVerdict(False, "The answer has no usage")
    return CheckVerdict(True, _counts(reply.usage))


def _counts(usage: ReportedUsage) -> str:
    cached = f" ({usage.cached} of them cached)" if usage.cached else ""
    return f"{usage.prompt} tokens in{cached}, {usage.completion} out"


def _temperature(subject: Subject) -> Body:
    return {**ask(subject, SUM), "temperature": 0}


def _streamed(subject: Subject) -> Body:
    return ask(subject, COUNT, stream=True)


def _is_stream(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if not reply.chunks:
        return CheckVerdict(False, "One JSON document came, although the request was for a stream")
    if not (reply.finish or reply.closed):
        return CheckVerdict(False, f"{reply.chunks} chunks, and no word that the answer is over")
    if not reply.text.strip():
        return CheckVerdict(None, f"{reply.chunks} chunks, without any text in them")
    mark = "closed by [DONE]" if reply.closed else "without [DONE] at the end"
    return CheckVerdict(True, f"{reply.chunks} chunks, {mark}: {quoted(reply.text)}")


def _streamed_usage(subject: Subject) -> Body:
    return ask(subject, SUM, stream=True, stream_options={"include_usage": True})


def _has_last_usage(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if reply.usage is None:
        return CheckVerdict(
            False, f"No usage in any of {reply.chunks} chunks, although the request asks for it"
        )
    place = "a chunk of its own" if reply.usage.final else "a chunk with choices"
    return CheckVerdict(True, f"{_counts(reply.usage)}, in {place}")


def _stopping(subject: Subject) -> Body:
    return ask(subject, COUNT, stop=[STOP])


def _stops(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if STOP in reply.text:
        where = "left in the text" if reply.text.rstrip().endswith(STOP) else "ignored"
        return CheckVerdict(False, f"The stop sequence {STOP} was {where}: {quoted(reply.text)}")
    if "4" in reply.text:
        return CheckVerdict(True, f"It stopped before {STOP}: {quoted(reply.text)}")
    return CheckVerdict(None, f"It never came near the stop sequence: {answer_in_words(reply)}")


def _names_stop(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if subject.worked("stop") is not True:
        return CheckVerdict(None, "No answer stopped at a stop sequence")
    if reply.stop == STOP:
        return CheckVerdict(True, f"The answer names the sequence that it met: {reply.stop}")
    return CheckVerdict(
        False, f"Only finish_reason {reply.finish or '(none)'}; the gateway looks itself"
    )


def _formed(subject: Subject) -> Body:
    form = {"name": "things", "schema": SCHEMA, "strict": True}
    wanted = {"type": "json_schema", "json_schema": form}
    return ask(subject, user("I see seven red apples."), response_format=wanted)


def _fits_schema(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    try:
        value = decode(reply.text.strip().encode())
    except ValueError:
        return CheckVerdict(None if reply.cut else False, f"No JSON: {answer_in_words(reply)}")
    fits = isinstance(value, dict) and {name: type(v) for name, v in value.items()} == {
        "colour": str,
        "count": int,
    }
    return CheckVerdict(fits, f"{'It fits' if fits else 'It does not fit'}: {quoted(reply.text)}")


def _short(subject: Subject) -> Body:
    return {**ask(subject, LONG_COUNT), subject.profile.max_tokens_field: SHORT}


def _is_short(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    name, count = subject.profile.max_tokens_field, reply.usage.completion if reply.usage else None
    outcome = f"{count} tokens came" if count is not None else answer_in_words(reply)
    evidence = f"{name} {SHORT}{_ending(reply)}: {outcome}"
    if len(reply.text) > SHORT * 8 or (count or 0) > SHORT:
        return CheckVerdict(False, evidence)
    return CheckVerdict(True if reply.cut else None, evidence)


def _begun(subject: Subject) -> Body:
    fields: dict[str, Any] = {}
    if subject.profile.prefill == "continue":
        fields = {"continue_final_message": True, "add_generation_prompt": False}
    return ask(subject, CAPITAL, assistant(BEGUN), **fields)


def _continues(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    text = reply.text.strip()
    if text.startswith(BEGUN):
        return CheckVerdict(True, f"It repeats the beginning and goes on: {quoted(text)}")
    if text.startswith(REST):
        return CheckVerdict(True, f"It goes on where the beginning ended: {quoted(text)}")
    return CheckVerdict(False, f"It began anew: {answer_in_words(reply)}")


PLAIN: Iterable[Check] = (
    Check("plain", "Plain answer", _plain, _is_answered),
    Check("usage", "Token counts in plain answers", None, _has_usage),
    Check("temperature", "Temperature 0", _temperature, _is_answered),
    Check("stream", "Streamed answer", _streamed, _is_stream),
    Check("stream_usage", "Token counts in streams", _streamed_usage, _has_last_usage),
)
SHAPED: Iterable[Check] = (
    Check("stop", "Stop sequences", _stopping, _stops),
    Check("stop_named", "Matched stop sequence is named", None, _names_stop),
    Check("json_schema", "Answer by JSON schema", _formed, _fits_schema),
    Check("max_tokens", "Token limit is kept", _short, _is_short),
    Check("prefill", "Begun answer is continued", _begun, _continues),
)
