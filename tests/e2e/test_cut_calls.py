"""A tool call that was cut: the client never gets one that could run.

Claude Code ran `rm -rf build` where the model meant `rm -rf build/cache`: the backend had called
the cut call finished, and the gateway had closed it.
"""

import json
from typing import Any

import pytest

from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, fold, role, text, usage
from tests.fakes.gateway import Gateway
from tests.shapes import check_message

LIMIT = 64
BASH: Json = {
    "name": "Bash",
    "input_schema": {
        "type": "object",
        "properties": {"command": {"type": "string"}, "timeout": {"type": "integer"}},
        "required": ["command"],
    },
}
FAMILIES = (
    *("generic", "openai", "vllm", "sglang", "llamacpp"),
    *("ollama", "openrouter", "deepseek", "chutes"),
)
REASONS = ("tool_calls", "stop", "length", "function_call")
CUTS = {
    "in a string": '{"command": "rm -rf build',
    "in a number": '{"command": "sleep 9","timeout": 12',
    "in a literal": '{"command": "ls","background": tr',
    "behind a comma": '{"command": "rm -rf build",',
    "behind a key": '{"command": "rm -rf build","timeout"',
    "in an escape": '{"command": "rm -rf build\\',
}
WHOLE = '{"command": "rm -rf build"'
WRITTEN = f'<tool_call>{{"name": "Bash", "arguments": {WHOLE}}}}}</tool_call>'


def said(given: str, reason: str, completion: int) -> list[Json]:
    half = len(given) // 2
    return [
        *(role(), call(0, "call_1", "Bash"), arguments(0, given[:half])),
        *(arguments(0, given[half:]), finish(reason), usage(11, completion)),
    ]


def both(gateway: Gateway, backend: FakeBackend, chunks: list[Json]) -> list[Json]:
    """The message, streamed and plain."""
    fields: dict[str, Any] = {"tools": [BASH], "max_tokens": LIMIT, "model": ALPHA}
    backend.on(ALPHA).stream(*chunks).json(fold(chunks, ALPHA))
    with gateway.client.stream(**fields) as stream:
        streamed = stream.message()
    return [streamed, check_message(gateway.client.messages(**fields).json)]


def check_cannot_run(message: Json, given: str) -> None:
    """The call stays as it came: no JSON in a stream, marked as unparsed in a plain reply."""
    (block,) = message["content"]
    assert (block["type"], block["name"]) == ("tool_use", "Bash")
    assert block["input"] in (
        given,
        {"__unparsedToolInput": {"raw": given, "len": len(given)}},
    )
    assert message["stop_reason"] == "max_tokens"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("reason", REASONS)
def test_h1_cut_call_never_runs_whatever_the_reason_and_the_family(
    serve: Serve, backend: FakeBackend, family: str, reason: str
) -> None:
    """H1: nothing is closed inside a token, and a call that stays open was cut."""
    for given in CUTS.values():
        backend.reset()
        for message in both(serve(family), backend, said(given, reason, 5)):
            check_cannot_run(message, given)


@pytest.mark.parametrize("reason", REASONS)
def test_h1_nothing_is_closed_where_the_tokens_were_used_up(
    serve: Serve, backend: FakeBackend, reason: str
) -> None:
    """H1: the reported completion tells, whatever the backend calls the end."""
    for message in both(serve("vllm"), backend, said(WHOLE, reason, LIMIT)):
        check_cannot_run(message, WHOLE)


def test_h1_nothing_is_closed_where_a_filter_ended_the_reply(
    serve: Serve, backend: FakeBackend
) -> None:
    """H1: what the model would have written behind the value is unknown."""
    for message in both(serve("vllm"), backend, said(WHOLE, "content_filter", 5)):
        check_cannot_run(message, WHOLE)


@pytest.mark.parametrize(
    ("reason", "completion"), [("length", 5), ("stop", LIMIT), ("content_filter", 5)]
)
def test_h2_written_call_at_the_end_of_a_cut_answer_is_text(
    serve: Serve, backend: FakeBackend, reason: str, completion: int
) -> None:
    """H2: nobody knows whether prose would have followed, or the end of a quote."""
    chunks = [role(), text(WRITTEN), finish(reason), usage(11, completion)]
    for message in both(serve("vllm"), backend, chunks):
        assert message["content"] == [{"type": "text", "text": WRITTEN}]
        assert message["stop_reason"] != "tool_use"


def test_h1_containers_are_closed_behind_a_complete_value(
    serve: Serve, backend: FakeBackend
) -> None:
    """H1: only the closers are missing, and tokens were left."""
    for message in both(serve("vllm"), backend, said(WHOLE, "tool_calls", LIMIT - 1)):
        (block,) = message["content"]
        given = block["input"]
        given = json.loads(given) if isinstance(given, str) else given
        assert (given, message["stop_reason"]) == ({"command": "rm -rf build"}, "tool_use")
