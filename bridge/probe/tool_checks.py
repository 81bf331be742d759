"""Checks of tools: calls, choices, results. Pure.

The fact that a model takes tools is proven by a call of its own free choice, and disproven by a
refusal that says so or by no call in any of these checks, forced ones included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bridge.probe.check import (
    Check,
    CheckVerdict,
    Message,
    Subject,
    answer_in_words,
    ask,
    quoted,
    user,
)
from bridge.probe.reply import Body, ProbeReply, ReplyToolCall
from bridge.probe.samples import CLOCK, WEATHER

LISBON = user("What is the weather in Lisbon? Use the tool.")
TWO_CITIES = user("What is the weather in Lisbon, and what is it in Oslo? Call the tool for both.")
GREETING = user("Say hello.")
FORCED = "get_time"
CALL_ID = "call00001"
"""Nine letters and digits: the only form that all chat templates take."""
RESULT = '{"degrees": 31}'
MARK = "31"
_DECLARED = {"get_weather": "city", "get_time": "zone"}
_TRIALS = ("tools", "stream_tools", "parallel_tools", "tool_named")
_NO_TOOLS = "This backend or model does not support tool use"


def _free(subject: Subject) -> Body:
    return ask(subject, LISBON, tools=[WEATHER, CLOCK])


def _free_streamed(subject: Subject) -> Body:
    return ask(subject, LISBON, tools=[WEATHER, CLOCK], stream=True)


def _called(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if not reply.calls:
        return _nothing_called(reply)
    if problem := _problem(reply.calls):
        return CheckVerdict(False, problem)
    how = "As text, which the gateway reads: " if reply.calls[0].as_text else ""
    return CheckVerdict(True, f"{how}{_list(reply.calls)}", {"tools": True})


def _nothing_called(reply: ProbeReply) -> CheckVerdict:
    if reply.cut:
        return CheckVerdict(None, f"No call came before the limit: {answer_in_words(reply)}")
    return CheckVerdict(False, f"No call came: {answer_in_words(reply)}")


def _problem(calls: tuple[ReplyToolCall, ...]) -> str:
    """What is wrong with the first bad call; "" when all are good."""
    for call in calls:
        if call.name not in _DECLARED:
            return f"A tool that was not offered: {call}"
        if call.values is None:
            return f"Arguments that are no JSON object: {call}"
        if not isinstance(call.values.get(_DECLARED[call.name]), str):
            return f"Arguments that do not fit the tool: {call}"
    return ""


def _list(calls: tuple[ReplyToolCall, ...]) -> str:
    return ", ".join(map(str, calls))


def _parallel(subject: Subject) -> Body:
    return ask(subject, TWO_CITIES, tools=[WEATHER])


def _called_twice(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    verdict = _called(reply, subject)
    if verdict.works and len(reply.calls) == 1:
        return CheckVerdict(False, f"One call only: {_list(reply.calls)}", verdict.facts)
    return verdict


def _named(subject: Subject) -> Body:
    choice = {"type": "function", "function": {"name": FORCED}}
    return ask(subject, GREETING, tools=[WEATHER, CLOCK], tool_choice=choice)


def _called_named(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    verdict = _called(reply, subject)
    others = [call.name for call in reply.calls if call.name != FORCED]
    if verdict.works and others:
        return CheckVerdict(False, f"{FORCED} was demanded: {_list(reply.calls)}")
    return CheckVerdict(verdict.works, verdict.evidence)


def _required(subject: Subject) -> Body:
    return ask(subject, GREETING, tools=[WEATHER, CLOCK], tool_choice="required")


def _called_any(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    verdict = _called(reply, subject)
    in_vain = verdict.works is False and not reply.calls
    never = in_vain and all(subject.worked(name) is False for name in _TRIALS)
    return CheckVerdict(verdict.works, verdict.evidence, {"tools": False} if never else {})


def _takes_no_tools(reply: ProbeReply) -> Mapping[str, Any]:
    refused = reply.error is not None and reply.error.message.startswith(_NO_TOOLS)
    return {"tools": False} if refused else {}


def _history(subject: Subject) -> list[Message]:
    function = {"name": "get_weather", "arguments": '{"city": "Lisbon"}'}
    call = {"id": CALL_ID, "type": "function", "function": function}
    content = None if subject.profile.null_content else ""
    return [
        user("How many degrees does it have in Lisbon?"),
        {"role": "assistant", "content": content, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": CALL_ID, "content": RESULT},
    ]


def _with_result(subject: Subject) -> Body:
    return ask(subject, *_history(subject), tools=[WEATHER])


def _result_used(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    if MARK in reply.text:
        return CheckVerdict(True, f"The result reached the model: {quoted(reply.text)}")
    if reply.calls:
        return CheckVerdict(None, f"The result was taken, but {answer_in_words(reply)} once more")
    return CheckVerdict(False, f"The result was not used: {answer_in_words(reply)}")


def _and_user(subject: Subject) -> Body:
    return ask(subject, *_history(subject), user("Now say goodbye."), tools=[WEATHER])


def _goes_on(reply: ProbeReply, subject: Subject) -> CheckVerdict:
    return CheckVerdict(
        None if reply.is_blank else True, f"The order was taken: {answer_in_words(reply)}"
    )


CALLING: Iterable[Check] = (
    Check("tools", "Tool call", _free, _called, refusal_facts=_takes_no_tools),
    Check("stream_tools", "Tool call in a stream", _free_streamed, _called),
    Check("parallel_tools", "Several calls in one answer", _parallel, _called_twice),
    Check("tool_named", "One tool demanded by name", _named, _called_named),
    Check("tool_required", "Some tool demanded", _required, _called_any),
    Check("tool_result", "Result of a tool", _with_result, _result_used),
    Check("user_after_tool", "User's words behind a result", _and_user, _goes_on),
)
