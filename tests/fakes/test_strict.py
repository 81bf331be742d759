"""The strict backend is known to refuse. What it refuses, observed backends refuse or misread."""

import copy
import json
from collections.abc import Callable

import pytest

from tests.fakes.chunks import Json
from tests.fakes.strict import check_chat_request

CALL = {"id": "c1", "type": "function", "function": {"name": "Bash", "arguments": '{"a":1}'}}
TOOL = {"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}
GOOD: Json = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "R"},
        {"role": "user", "content": "V"},
    ],
    "tools": [TOOL],
}
Spoil = Callable[[Json], object]
DEFECTS: dict[str, Spoil] = {
    "a null member": lambda body: body.update(stop=None),
    "no tools in the list": lambda body: body.update(tools=[]),
    "a vendor tool": lambda body: body["tools"][0].update(type="bash_20250124"),
    "two tools of one name": lambda body: body["tools"].append(TOOL),
    "parameters without a type": lambda body: body["tools"][0]["function"].update(parameters={}),
    "cache_control": lambda body: body["messages"][1].update(cache_control={}),
    "the billing line": lambda body: body["messages"][0].update(
        content="x-anthropic-billing-header: a"
    ),
    "a later system message": lambda body: body["messages"].append(body["messages"][0]),
    "an unknown role": lambda body: body["messages"][1].update(role="developer"),
    "two user messages": lambda body: body["messages"].append(body["messages"][1]),
    "null content": lambda body: body["messages"][2].update(content=None),
    "an unanswered call": lambda body: body["messages"].pop(3),
    "an unanswered call at the end": lambda body: body["messages"].__delitem__(slice(3, 5)),
    "a result without its call": lambda body: body["messages"].pop(2),
    "a second result": lambda body: body["messages"].insert(4, body["messages"][3]),
    "an id used twice": lambda body: body["messages"].extend(body["messages"][2:4]),
    "arguments that are a list": lambda body: body["messages"][2]["tool_calls"][0][
        "function"
    ].update(arguments="[]"),
}


def test_good_request_passes() -> None:
    """Ours."""
    assert check_chat_request(json.dumps(GOOD).encode()) == GOOD


@pytest.mark.parametrize("spoil", DEFECTS.values(), ids=DEFECTS)
def test_defect_is_found(spoil: Spoil) -> None:
    """Ours: a checker that never fails proves nothing."""
    body = copy.deepcopy(GOOD)
    spoil(body)
    with pytest.raises(AssertionError):
        check_chat_request(json.dumps(body).encode())
