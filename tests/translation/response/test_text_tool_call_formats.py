"""Tool calls that a model writes as text: each format, and what merely looks like one."""

from __future__ import annotations

import json

import pytest

from bridge.translation.response.deltas import (
    Done,
    Finish,
    Reasoning,
    ReportedUsage,
    Said,
    Text,
    ToolCall,
)
from bridge.translation.response.dialects.text_tool_calls import WrittenCalls
from tests.shapes import Json

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
SCHEMAS: Json = {
    "get_weather": {"properties": {"city": STRING, "days": INTEGER, "at": {}}},
    "now": {"type": "object"},
    "odd": {"properties": 5},
    "none": None,
}
STOP = Finish("stop")
Call = tuple[str, Json]


def run(deltas: list[Said]) -> tuple[str, list[Call], str]:
    """(text, calls, thinking) that come out."""
    stage = WrittenCalls(SCHEMAS)
    said = [out for delta in [*deltas, STOP] for out in stage.feed(delta)]
    assert said[-1] == STOP
    calls = [(d.name, json.loads(d.arguments)) for d in said if isinstance(d, ToolCall)]
    thinking = "".join(d.text for d in said if isinstance(d, Reasoning))
    return "".join(d.text for d in said if isinstance(d, Text)), calls, thinking


def pieces(text: str, split: bool) -> list[Said]:
    return [Text(character) for character in text] if split else [Text(text)]


LISBON: Call = ("get_weather", {"city": "Lisbon"})
NOW: Call = ("now", {})
HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Lisbon"}}\n</tool_call>'
CODER = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nLisbon\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
GLM = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Lisbon</arg_value>\n"
    "<arg_key>at</arg_key>\n<arg_value>[1, 2]</arg_value>\n</tool_call>"
)
KIMI = (
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0"
    '<|tool_call_argument_begin|>{"city": "Lisbon"}<|tool_call_end|>'
    "<|tool_call_begin|>functions.now:1<|tool_call_argument_begin|>{}<|tool_call_end|>"
    "<|tool_calls_section_end|>"
)
DEEPSEEK_31 = (
    '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Lisbon"}'
    "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
)
DEEPSEEK_3 = (
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n"
    '{"city": "Lisbon"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>'
)
FORMATS: list[tuple[str, str, list[Call]]] = [
    ("Hermes and Qwen", HERMES, [LISBON]),
    ("Hermes, two of them", f"{HERMES}\n{HERMES}", [LISBON, LISBON]),
    (
        "Hermes, a list",
        '<tool_call>[{"name": "now"}, {"name": "now", "arguments": "{}"}]</tool_call>',
        [NOW, NOW],
    ),
    ("Hermes, no arguments", '<tool_call>{"name": "now"}</tool_call>', [NOW]),
    ("Hermes, loose JSON", "<tool_call>{'name': 'now', 'arguments': {},}</tool_call>", [NOW]),
    ("Hermes, never closed", '<tool_call>{"name": "now"}', [NOW]),
    (
        "Hermes, the mark inside an argument",
        '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call>"}}</tool_call>',
        [("get_weather", {"city": "</tool_call>"})],
    ),
    ("Qwen3 Coder", CODER, [("get_weather", {"city": "Lisbon", "days": 3})]),
    ("Qwen3 Coder, bare", CODER[12:-13], [("get_weather", {"city": "Lisbon", "days": 3})]),
    ("Qwen3 Coder, no arguments", "<function=now></function>", [NOW]),
    ("GLM", GLM, [("get_weather", {"city": "Lisbon", "at": [1, 2]})]),
    ("GLM, no arguments", "<tool_call>now</tool_call>", [NOW]),
    (
        "GLM, a value that is no JSON",
        "<tool_call>get_weather<arg_key>days</arg_key><arg_value>few</arg_value></tool_call>",
        [("get_weather", {"days": "few"})],
    ),
    ("Kimi", KIMI, [LISBON, NOW]),
    ("DeepSeek V3.1", DEEPSEEK_31, [LISBON]),
    ("DeepSeek V3", DEEPSEEK_3, [LISBON]),
    (
        "LongCat",
        '<longcat_tool_call>{"name": "now", "arguments": {}}</longcat_tool_call>',
        [NOW],
    ),
    ("Llama", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Lisbon"}}', [LISBON]),
    ("Llama, two", '<|python_tag|>{"name": "now"}; {"name": "now"}<|eom_id|>', [NOW, NOW]),
    ("Llama, Python", '<|python_tag|>[get_weather(city="Lisbon")]<|eot_id|>', [LISBON]),
    ("Mistral, a list", '[TOOL_CALLS][{"name": "now", "arguments": {}}]', [NOW]),
    (
        "Mistral, names",
        '[TOOL_CALLS]get_weather[CALL_ID]abc[ARGS]{"city": "Lisbon"}[TOOL_CALLS]now[ARGS]{}',
        [LISBON, NOW],
    ),
    ("Python's notation", '[get_weather(city="Lisbon"), now()]', [LISBON, NOW]),
    (
        "Python's notation, nested",
        '[get_weather(at=[1, {"a": None}])]',
        [("get_weather", {"at": [1, {"a": None}]})],
    ),
    ("with a prefix", '<tool_call>{"name": "functions.now"}</tool_call>', [NOW]),
    ("a schema that says nothing", "<tool_call>none</tool_call>", [("none", {})]),
    (
        "a schema without properties",
        "<function=odd><parameter=a>1</parameter></function>",
        [("odd", {"a": 1})],
    ),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize(("text", "calls"), [f[1:] for f in FORMATS], ids=[f[0] for f in FORMATS])
def test_call_is_read_in_the_models_own_format(text: str, calls: list[Call], split: bool) -> None:
    """Models observed, behind backends without a parser for them."""
    said, found, _ = run(pieces(text, split))
    assert (said.strip(), found) == ("", calls)


LOOKALIKES: list[tuple[str, str]] = [
    ("an unknown tool", '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'),
    ("one of two unknown", '<tool_call>[{"name": "now"}, {"name": "rm"}]</tool_call>'),
    ("documentation", "Write `<tool_call>` and then `</tool_call>`."),
    ("no name", '<tool_call>{"a": 1}</tool_call>'),
    ("no object", "<tool_call>[5]</tool_call>"),
    ("an empty one", "<tool_call></tool_call>"),
    ("a name that is a number", '<tool_call>{"name": 5}</tool_call>'),
    ("arguments that are a list", '<tool_call>{"name": "now", "arguments": [1]}</tool_call>'),
    ("arguments that are no JSON", '<tool_call>{"name": "now", "arguments": "x"}</tool_call>'),
    ("broken JSON", '<tool_call>{"name": tru!}</tool_call>'),
    ("only the beginning", "<tool_call>{"),
    ("only half a mark", "a <tool_c"),
    ("a mark in a mark", "<tool_call><tool_call>"),
    ("a function of the page", "<function=x> is no tag"),
    ("a function with text in it", "<function=now>words</function>"),
    ("GLM without its form", "<tool_call>now please</tool_call>"),
    ("Kimi with text between", KIMI.replace("<|tool_call_end|><", "<|tool_call_end|>x<", 1)),
    ("DeepSeek with text between", f"{DEEPSEEK_31[:-18]}x{DEEPSEEK_31[-18:]}"),
    ("DeepSeek with text in front", DEEPSEEK_31.replace("begin｜><", "begin｜>x<", 1)),
    ("a number without end", "<tool_call>{'name': " + "1" * 5000 + "}</tool_call>"),
    ("Mistral without its form", "[TOOL_CALLS] are words"),
    ("Llama without its form", "<|python_tag|>print(1)"),
    ("Llama with what cannot be parsed", "<|python_tag|>[now("),
    ("a list of words", "[now, then]"),
    ("a list of positions", '[get_weather("Lisbon")]'),
    ("a list with a computed value", "[get_weather(city=x)]"),
    ("a list with bytes", '[get_weather(city=b"x")]'),
    ("a list with a set", "[get_weather(at=[{1}])]"),
    ("a list with keys that are no text", "[get_weather(at={1: 2})]"),
    ("a list with text behind it", "[now()] is a list"),
    ("a list in the middle", "see [now()]"),
    ("a list that is none", "[n"),
    ("a link", "[now](https://x)"),
    ("a comparison", "a < b and [c] > d"),
    ("white space", " \n "),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize("text", [t[1] for t in LOOKALIKES], ids=[t[0] for t in LOOKALIKES])
def test_what_merely_looks_like_a_call_stays_text(text: str, split: bool) -> None:
    """Ours: to the last character."""
    assert run(pieces(text, split)) == (text, [], "")


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
def test_text_around_a_call_is_kept(split: bool) -> None:
    """F83: in order, and a second look at what follows a false start."""
    text, calls, _ = run(pieces(f"a <tool_call> b {HERMES} c", split))
    assert (text, calls) == ("a <tool_call> b  c", [LISBON])


def test_text_goes_out_as_it_comes() -> None:
    """Ours: no more than a possible opening mark is held back."""
    stage = WrittenCalls(SCHEMAS)
    said = [stage.feed(Text(piece)) for piece in ("Hello <", "b> and <tool_", "x>")]
    expected: list[list[Said]] = [[Text("Hello ")], [Text("<b> and ")], [Text("<tool_x>")]]
    assert said == expected


def test_call_inside_thinking_is_a_call() -> None:
    """Models observed: the thinking is watched for itself."""
    assert run([Reasoning("so "), Reasoning(HERMES), Text("ok")]) == ("ok", [LISBON], "so ")
    assert run([Reasoning("<tool_"), Text("call>x")]) == ("call>x", [], "<tool_")


def test_other_deltas_pass_behind_what_was_held() -> None:
    """Ours: order is kept; usage says nothing about text."""
    stage = WrittenCalls(SCHEMAS)
    usage, call = ReportedUsage(1, 1), ToolCall(0, "c", "now", "{}")
    assert [stage.feed(Text("<tool_")), stage.feed(usage)] == [[], [usage]]
    assert stage.feed(call) == [Text("<tool_"), call]
    assert stage.feed(Done()) == [Done()]
