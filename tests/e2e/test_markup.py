"""Tool calls that a model writes into its text or its thinking, through the whole gateway.

Backends without a parser for their model hand its markup through. Each format stands here as its
model writes it, and comes in pieces that cut every mark somewhere.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Start, starting
from tests.e2e.test_streams import content_of
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, call, finish, fold, reasoning, role, text, usage
from tests.fakes.client import RawClient
from tests.fakes.gateway import Gateway
from tests.shapes import check_message

WEATHER: Json = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
NOW: Json = {"name": "now", "input_schema": {"type": "object", "properties": {}}}
TOOLS = [WEATHER, NOW]
ARGUMENTS = '{"city": "São Paulo", "days": 3}'
CALL = {"type": "tool_use", "name": "get_weather", "input": {"city": "São Paulo", "days": 3}}
SECOND = {"type": "tool_use", "name": "now", "input": {}}
BEFORE = "Let me look: 1 < 2.\n"

ONE = {
    "kimi": "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    f"<|tool_call_argument_begin|>{ARGUMENTS}<|tool_call_end|><|tool_calls_section_end|>",
    "deepseek v3": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
    f"```json\n{ARGUMENTS}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "deepseek v3.1": "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>"
    f"{ARGUMENTS}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    "longcat": '<longcat_tool_call>\n{"name": "get_weather", "arguments": '
    f"{ARGUMENTS}}}\n</longcat_tool_call>",
    "hermes": f'<tool_call>\n{{"name": "get_weather", "arguments": {ARGUMENTS}}}\n</tool_call>',
    "qwen coder": "<tool_call>\n<function=get_weather>\n<parameter=city>\nSão Paulo\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
    "qwen coder, bare": "<function=get_weather>\n<parameter=city>\nSão Paulo\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>",
    "glm": "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>São Paulo</arg_value>\n"
    "<arg_key>days</arg_key>\n<arg_value>3</arg_value>\n</tool_call>",
    "llama": f'<|python_tag|>{{"name": "get_weather", "parameters": {ARGUMENTS}}}',
    "llama, pythonic": '<|python_tag|>[get_weather(city="São Paulo", days=3)]<|eom_id|>',
    "mistral": f'[TOOL_CALLS][{{"name": "get_weather", "arguments": {ARGUMENTS}}}]',
    "mistral, new": f"[TOOL_CALLS]get_weather[ARGS]{ARGUMENTS}",
}
TWO = {
    "kimi": ONE["kimi"].replace(
        "<|tool_calls_section_end|>",
        "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
        "<|tool_calls_section_end|>",
    ),
    "deepseek v3.1": ONE["deepseek v3.1"].replace(
        "<｜tool▁calls▁end｜>",
        "<｜tool▁call▁begin｜>now<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    "longcat": ONE["longcat"] + '<longcat_tool_call>{"name": "now"}</longcat_tool_call>',
    "hermes": ONE["hermes"] + '\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    "qwen coder": ONE["qwen coder"] + "\n<tool_call>\n<function=now>\n</function>\n</tool_call>",
    "glm": ONE["glm"] + "<tool_call>now\n</tool_call>",
    "llama": ONE["llama"] + '; {"name": "now", "parameters": {}}',
    "mistral": ONE["mistral"].removesuffix("]") + ', {"name": "now", "arguments": {}}]',
    "mistral, new": ONE["mistral, new"] + "[TOOL_CALLS]now[ARGS]{}",
}
PYTHONIC = '[get_weather(city="São Paulo", days=3), now()]'

ALIKE = {
    "a call in a fence": f"So:\n\n```xml\n{ONE['hermes']}\n```\n",
    "a call between backquotes": f"So: `{ONE['hermes']}`",
    "a call in a sentence": f"It writes {ONE['mistral']}",
    "a call with prose behind it": f"{BEFORE}{ONE['hermes']}\n\nThat was it.",
    "a call that is cut": ONE["hermes"][:60],
    "a call without what it needs": ONE["hermes"].replace('"city"', '"town"'),
    "marks in prose": "They write <tool_call>, <function=x> or [TOOL_CALLS]; then <|python_tag|>",
    "undeclared name": '<tool_call>{"name": "rm", "arguments": {}}</tool_call> is what it said.',
    "undeclared section": ONE["kimi"].replace("get_weather", "get_wether"),
    "no arguments object": '<tool_call>{"name": "now", "arguments": [1]}</tool_call>\n\n',
    "half a section": TWO["deepseek v3.1"].replace("begin｜>now", "begin｜>later"),
    "open at the end": 'It ends in <tool_call>{"name": "get_wea',
    "mark at the end": "It ends in <tool_ca",
    "half a mark": "if a <tool and b <too or <|tool_calls_section_beg!",
    "list of numbers": "[1, 2, 3]",
    "list of words": "[get_weather, now]",
    "list in prose": 'It calls [get_weather(city="Oslo")] first.',
    "list with prose behind": "[now()] is how it is written.",
    "brackets": "[now",
    "code": 'if (a < b && c[TOOL] > 0) { return "<function>"; }\r\n\t ',
    "angle brackets": "<｜begin▁of▁sentence｜> <| <｜ < ▁",
    "tags of another kind": "<tool_calls>\n<function name='now'></function>\n</tool_calls>\n",
}


@pytest.fixture(scope="module")
def module_gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """For this module alone: elsewhere it learns that this backend reads calls itself."""
    with starting(session_backend, tmp_path_factory) as start:
        yield start()


@pytest.fixture
def gateway(module_gateway: Gateway) -> Gateway:
    return module_gateway


def in_pieces(whole: str, size: int = 3) -> list[Json]:
    return [text(whole[at : at + size]) for at in range(0, len(whole), size)]


def thought_in_pieces(whole: str, size: int = 3) -> list[Json]:
    return [reasoning(whole[at : at + size]) for at in range(0, len(whole), size)]


def answers(
    client: RawClient, backend: FakeBackend, said: list[Json], model: str = ALPHA, **fields: Any
) -> list[Json]:
    """The message, streamed and plain, of a backend that says this."""
    chunks = [role(), *said, finish("stop"), usage(11, 2)]
    backend.on(model).stream(*chunks).json(fold(chunks, model))
    with client.stream(model=model, **fields) as stream:
        streamed = stream.message()
    return [streamed, check_message(client.messages(model=model, **fields).json)]


def check_calls(message: Json, *expected: Json) -> None:
    """These calls and nothing else, the text before them aside."""
    assert [block for block in content_of(message) if block["type"] == "tool_use"] == [*expected]
    assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("markup", list(ONE.values()), ids=list(ONE))
def test_call_in_the_text_becomes_a_tool_use_block(
    gateway: Gateway, backend: FakeBackend, markup: str
) -> None:
    """Observed backends: no parser for this model, and finish reason "stop"."""
    for message in answers(gateway.client, backend, in_pieces(BEFORE + markup), tools=TOOLS):
        assert content_of(message) == [{"type": "text", "text": BEFORE}, CALL]
        assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("markup", list(ONE.values()), ids=list(ONE))
def test_call_in_the_thinking_becomes_a_tool_use_block(
    gateway: Gateway, backend: FakeBackend, markup: str
) -> None:
    """Observed backends: a reasoning parser that swallows the end of thinking swallows the call."""
    said = thought_in_pieces(BEFORE + markup)
    for message in answers(gateway.client, backend, said, tools=TOOLS):
        assert content_of(message) == [{"type": "thinking", "thinking": BEFORE}, CALL]
        assert message["stop_reason"] == "tool_use"


@pytest.mark.parametrize("markup", [*TWO.values(), PYTHONIC], ids=[*TWO, "llama, a bare list"])
def test_two_calls_become_two_blocks(gateway: Gateway, backend: FakeBackend, markup: str) -> None:
    """Observed models: call several tools at once."""
    for message in answers(gateway.client, backend, in_pieces(markup), tools=TOOLS):
        assert content_of(message) == [CALL, SECOND]
        assert message["stop_reason"] == "tool_use"


def test_call_comes_whole_however_its_bytes_are_cut(gateway: Gateway, backend: FakeBackend) -> None:
    """Observed backends: borders of chunks and of packets fall anywhere. S9."""
    for markup in ONE.values():
        said = [role(), *in_pieces(markup, 2), finish("stop"), usage(11, 2)]
        backend.reset()
        backend.on(ALPHA).stream(*said, split=3)
        with gateway.client.stream(tools=TOOLS) as stream:
            check_calls(stream.message(), CALL)


def test_h2_call_beside_one_of_the_backends_own_is_text(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """H2: a server that reads calls itself leaves only quotes in the text, from then on."""
    gateway = start_gateway()
    native = call(0, "call_1", "now", "{}")
    for message in answers(
        gateway.client, backend, [*in_pieces(f"{BEFORE}{ONE['hermes']}"), native], tools=TOOLS
    ):
        words, made = content_of(message)
        assert (words["text"], made) == (f"{BEFORE}{ONE['hermes']}", SECOND)
    backend.reset()
    for message in answers(gateway.client, backend, in_pieces(ONE["hermes"]), tools=TOOLS):
        assert content_of(message) == [{"type": "text", "text": ONE["hermes"]}]


def test_h2_call_is_text_where_none_may_be_made(gateway: Gateway, backend: FakeBackend) -> None:
    """H2: tool_choice none."""
    none = {"type": "none"}
    said = in_pieces(ONE["hermes"])
    for message in answers(gateway.client, backend, said, tools=TOOLS, tool_choice=none):
        assert content_of(message) == [{"type": "text", "text": ONE["hermes"]}]


def test_closing_mark_inside_the_arguments_closes_nothing(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: people write about markup, too."""
    markup = '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call>"}}</tool_call>'
    for message in answers(gateway.client, backend, in_pieces(markup), tools=TOOLS):
        check_calls(message, {**CALL, "input": {"city": "</tool_call>"}})


def test_only_one_call_is_passed_on_where_one_was_asked_for(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """wire C6: `disable_parallel_tool_use` holds for calls in text as well."""
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    said = in_pieces(TWO["hermes"])
    for message in answers(gateway.client, backend, said, tools=TOOLS, tool_choice=choice):
        check_calls(message, CALL)


def test_name_in_the_wrong_case_is_repaired_in_text_as_well(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """wire D4: a name that fits one declared tool but for its case is that tool's."""
    tools = [{**WEATHER, "name": "GetWeather"}]
    said = in_pieces(ONE["hermes"].replace("get_weather", "getweather"))
    for message in answers(gateway.client, backend, said, tools=tools):
        check_calls(message, {**CALL, "name": "GetWeather"})


@pytest.mark.parametrize("whole", list(ALIKE.values()), ids=list(ALIKE))
def test_text_that_looks_similar_stays_text_to_the_last_character(
    gateway: Gateway, backend: FakeBackend, whole: str
) -> None:
    """Ours: a lost sentence is worse than a call that nobody read."""
    for message in answers(gateway.client, backend, in_pieces(whole), tools=TOOLS):
        assert content_of(message) == [{"type": "text", "text": whole}]
        assert message["stop_reason"] == "end_turn"
    backend.reset()
    said = [*thought_in_pieces(whole), text("So.")]
    for message in answers(gateway.client, backend, said, tools=TOOLS):
        assert content_of(message) == [
            {"type": "thinking", "thinking": whole},
            {"type": "text", "text": "So."},
        ]


@pytest.mark.parametrize("markup", [*ONE.values(), PYTHONIC], ids=[*ONE, "llama, a bare list"])
def test_markup_is_text_where_no_tools_are_declared(
    gateway: Gateway, backend: FakeBackend, markup: str
) -> None:
    """Ours: without tools there is nothing to call."""
    for message in answers(gateway.client, backend, in_pieces(markup)):
        assert content_of(message) == [{"type": "text", "text": markup}]
        assert message["stop_reason"] == "end_turn"


def test_markup_is_text_where_the_operator_says_so(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """docs, settings: TEXT_TOOL_CALLS."""
    client = start_gateway(TEXT_TOOL_CALLS="0").client
    for markup in [*ONE.values(), PYTHONIC]:
        backend.reset()
        for message in answers(client, backend, in_pieces(markup), tools=TOOLS):
            assert content_of(message) == [{"type": "text", "text": markup}]
            assert message["stop_reason"] == "end_turn"
