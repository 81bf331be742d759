"""What goes back to a backend of earlier turns: arguments of calls, and reasoning."""

from __future__ import annotations

import pytest

from tests.shapes import Json
from tests.translation.asking import (
    assistant,
    call,
    image,
    result,
    sent_messages,
    system,
    thinking,
    up_call,
    up_calls,
    user,
)

Q = user("q")

ARGUMENTS: list[tuple[str, object, str]] = [
    ("an object", {"a": [1, "\u00e9"]}, '{"a":[1,"\u00e9"]}'),
    ("F37 a list", [], "{}"),
    ("F37 Claude Code's wrapper", {"__unparsedToolInput": {}}, '{"__unparsedToolInput":{}}'),
    ("a text", "x", '{"value":"x"}'),
    ("a large number", {"n": 10**21}, '{"n":1000000000000000000000}'),
]


@pytest.mark.parametrize(
    ("given", "sent"), [a[1:] for a in ARGUMENTS], ids=[a[0] for a in ARGUMENTS]
)
def test_arguments_of_the_history_are_always_an_object(given: object, sent: str) -> None:
    """F37: llama-server answers 500 to anything that is not JSON."""
    messages = sent_messages(Q, assistant(call("t1", arguments=given)), user(result("t1", "r")))
    assert messages[1] == up_calls(up_call("t1", arguments=sent))


STEP = [assistant(thinking("hm"), thinking("so"), call("t1")), user(result("t1", "r"))]
REASONED: list[tuple[str, str, list[Json], str | None]] = [
    ("F38 deepseek", "deepseek", [Q, *STEP], "reasoning_content"),
    ("F38 generic", "generic", [Q, *STEP], None),
    ("vllm", "vllm", [Q, *STEP], "reasoning_content"),
    ("ollama", "ollama", [Q, *STEP], "reasoning"),
    (
        "vllm, before the last question",
        "vllm",
        [Q, *STEP, assistant("a"), user("z")],
        "reasoning_content",
    ),
    ("ollama, before it", "ollama", [Q, *STEP, assistant("a"), user("z")], None),
    ("deepseek, before it", "deepseek", [Q, *STEP, assistant("a"), user("z")], "reasoning_content"),
    ("openrouter, before an image", "openrouter", [Q, *STEP, user(image())], None),
    ("vllm, before a reminder", "vllm", [Q, *STEP, system("be brief")], "reasoning_content"),
]


@pytest.mark.parametrize(
    ("profile", "messages", "field"), [r[1:] for r in REASONED], ids=[r[0] for r in REASONED]
)
def test_earlier_reasoning_goes_back_where_it_is_read(
    profile: str, messages: list[Json], field: str | None
) -> None:
    """The specification, C3: with calls, since the last thing that the user really said."""
    sent = sent_messages(*messages, profile=profile)
    expected = up_calls(up_call("t1")) | ({field: "hm\nso"} if field else {})
    assert sent[1] == expected


def test_reasoning_without_a_call_does_not_go_back() -> None:
    """The specification, C3: only on messages that have tool calls."""
    sent = sent_messages(Q, assistant(thinking("hm"), "a"), profile="deepseek")
    assert sent[1] == {"role": "assistant", "content": "a"}
