"""Tool calls that a model writes as text: each format, cut anywhere."""

from __future__ import annotations

import json

import pytest

from bridge.translation.response.deltas import ContentDelta, Finish, Reasoning, Text, ToolCall
from bridge.translation.response.text_calls.formats import FORMATS as TABLE
from bridge.translation.response.text_calls.stage import TextCalls
from tests.shapes import Json

STRING, INTEGER = {"type": "string"}, {"type": "integer"}
SCHEMAS: Json = {
    "get_weather": {
        "properties": {"city": STRING, "days": INTEGER, "at": {}},
        "required": ["city"],
    },
    "now": {"type": "object"},
    "odd": {"properties": 5, "required": [1]},
    "none": None,
}
STOP = Finish("stop")
Call = tuple[str, Json]


def run(deltas: list[ContentDelta]) -> tuple[str, list[Call], str]:
    """(text, calls, thinking) that come out."""
    stage = TextCalls(SCHEMAS)
    said = [out for delta in [*deltas, STOP] for out in stage.feed(delta)] + stage.finish()
    calls = [(d.name, json.loads(d.arguments)) for d in said if isinstance(d, ToolCall)]
    thinking = "".join(d.text for d in said if isinstance(d, Reasoning))
    return "".join(d.text for d in said if isinstance(d, Text)), calls, thinking


def pieces(text: str, split: bool) -> list[ContentDelta]:
    return [Text(character) for character in text] if split else [Text(text)]


LISBON: Call = ("get_weather", {"city": "Lisbon"})
THREE: Call = ("get_weather", {"city": "Lisbon", "days": 3})
NOW: Call = ("now", {})
OBJECT = '{"name": "get_weather", "arguments": {"city": "Lisbon"}}'
HERMES = f"<tool_call>\n{OBJECT}\n</tool_call>"
CODER = (
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nLisbon\n</parameter>\n"
    "<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>"
)
GLM = (
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Lisbon</arg_value>\n"
    "<arg_key>at</arg_key>\n<arg_value>[1, 2]</arg_value>\n</tool_call>"
)
KIMI_CALL = (
    '<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>{"city": "Lisbon"}'
    "<|tool_call_end|>"
)
KIMI = (
    f"<|tool_calls_section_begin|>{KIMI_CALL}"
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
INVOKE = (
    '<invoke name="get_weather">\n<parameter name="city">Lisbon</parameter>\n'
    '<parameter name="days">3</parameter>\n</invoke>'
)
DSML = (
    '<｜DSML｜invoke name="get_weather">\n'
    '<｜DSML｜parameter name="city" string="true">Lisbon</｜DSML｜parameter>\n'
    '<｜DSML｜parameter name="days" string="false">3</｜DSML｜parameter>\n</｜DSML｜invoke>'
)
HARMONY = (
    "<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
    '{"city": "Lisbon"}<|call|>'
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
    ("Hermes, half a closing mark", '<tool_call>{"name": "now"}\n</tool_', [NOW]),
    (
        "Hermes, the mark inside an argument",
        '<tool_call>{"name": "get_weather", "arguments": {"city": "</tool_call>"}}</tool_call>',
        [("get_weather", {"city": "</tool_call>"})],
    ),
    ("Qwen3 Coder", CODER, [THREE]),
    ("Qwen3 Coder, bare", CODER[12:-13], [THREE]),
    ("Qwen3 Coder, no arguments", "<function=now></function>", [NOW]),
    (
        "Qwen3 Coder, the mark inside an argument",
        CODER.replace("Lisbon", 'echo "</parameter>"\n</parameter>'),
        [("get_weather", {"city": 'echo "</parameter>"\n</parameter>', "days": 3})],
    ),
    ("Llama, tagged", '<function=get_weather>{"city": "Lisbon"}</function>', [LISBON]),
    ("Seed", f"<seed:tool_call>{CODER[11:-12]}</seed:tool_call>", [THREE]),
    ("GLM", GLM, [("get_weather", {"city": "Lisbon", "at": [1, 2]})]),
    ("GLM, no arguments", "<tool_call>now</tool_call>", [NOW]),
    (
        "GLM, a value that is no JSON",
        GLM.replace("[1, 2]", "few"),
        [("get_weather", {"city": "Lisbon", "at": "few"})],
    ),
    ("Kimi", KIMI, [LISBON, NOW]),
    ("Kimi, no section", KIMI_CALL, [LISBON]),
    ("DeepSeek V3.1", DEEPSEEK_31, [LISBON]),
    ("DeepSeek V3", DEEPSEEK_3, [LISBON]),
    ("DeepSeek V3, plain bars", DEEPSEEK_31.replace("｜", "|"), [LISBON]),
    ("DeepSeek V3, ASCII", DEEPSEEK_31.replace("｜", "|").replace("▁", "_"), [LISBON]),
    ("DeepSeek V3.2", f"<｜DSML｜function_calls>\n{DSML}\n</｜DSML｜function_calls>", [THREE]),
    ("DeepSeek V4", f"<｜DSML｜tool_calls>\n{DSML}\n{DSML}\n</｜DSML｜tool_calls>", [THREE, THREE]),
    ("DeepSeek V4, bare", DSML, [THREE]),
    ("MiniMax", f"<minimax:tool_call>\n{INVOKE}\n{INVOKE}\n</minimax:tool_call>", [THREE, THREE]),
    ("invoke", f"<function_calls>\n{INVOKE}\n</function_calls>", [THREE]),
    ("invoke, bare", f"{INVOKE}\n{INVOKE}", [THREE, THREE]),
    ("gpt-oss", f"<|start|>assistant{HARMONY}", [LISBON]),
    ("gpt-oss, no start", HARMONY.removesuffix("<|call|>"), [LISBON]),
    ("gpt-oss, two", HARMONY.replace("<|call|>", "<|end|>") + HARMONY, [LISBON, LISBON]),
    ("gpt-oss, thinking", HARMONY.replace("commentary", "analysis"), [LISBON]),
    (
        "gpt-oss, thinking, start",
        f"<|start|>assistant{HARMONY.replace('commentary', 'analysis')}",
        [LISBON],
    ),
    (
        "gpt-oss, role",
        "<|start|>assistant to=functions.now<|channel|>commentary json<|message|>{}<|call|>",
        [NOW],
    ),
    (
        "Gemma",
        '<|tool_call>call:get_weather{city:<|"|>Lis{,a:}bon<|"|>,days:3,at:[{x:true}]}<tool_call|>',
        [("get_weather", {"city": "Lis{,a:}bon", "days": 3, "at": [{"x": True}]})],
    ),
    ("Granite and Phi", f"<|tool_call|>[{OBJECT}]", [LISBON]),
    ("InternLM", f"<|action_start|><|plugin|>{OBJECT}<|action_end|>", [LISBON]),
    ("LongCat", '<longcat_tool_call>{"name": "now", "arguments": {}}</longcat_tool_call>', [NOW]),
    ("Hunyuan and Jamba", f"<tool_calls>[{OBJECT}]</tool_calls>", [LISBON]),
    ("tools", f"<tools>\n{OBJECT}\n</tools>", [LISBON]),
    ("Granite, older", f"<function_call>{OBJECT}", [LISBON]),
    ("Nemotron", f"<TOOLCALL>[{OBJECT}]</TOOLCALL>", [LISBON]),
    ("Llama", '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Lisbon"}}', [LISBON]),
    ("Llama, two", '<|python_tag|>{"name": "now"}; {"name": "now"}<|eom_id|>', [NOW, NOW]),
    ("Llama, Python", '<|python_tag|>[get_weather(city="Lisbon")]<|eot_id|>', [LISBON]),
    ("Llama 4", '<|python_start|>{"name": "now", "parameters": {}}<|python_end|>', [NOW]),
    ("Llama 4, Python", "<|python_start|>[now()]<|python_end|>", [NOW]),
    (
        "LFM2",
        "<|tool_call_start|>[get_weather(city='Lisbon'), now()] <|tool_call_end|>",
        [LISBON, NOW],
    ),
    ("LFM2, objects", f"<|tool_call_start|>[{OBJECT}]<|tool_call_end|>", [LISBON]),
    (
        "Cohere",
        '<|START_ACTION|>[\n{"tool_call_id": "0", "tool_name": "get_weather", "parameters": '
        '{"city": "Lisbon"}}\n]<|END_ACTION|>',
        [LISBON],
    ),
    ("Phi 4 mini", f"functools[{OBJECT}]", [LISBON]),
    ("Mistral, a list", '[TOOL_CALLS][{"name": "now", "arguments": {}}]', [NOW]),
    (
        "Mistral, names",
        '[TOOL_CALLS]get_weather[CALL_ID]abc[ARGS]{"city": "Lisbon"}[TOOL_CALLS]now[ARGS]{}',
        [LISBON, NOW],
    ),
    ("Python's notation", '[get_weather(city="Lisbon"), now()]', [LISBON, NOW]),
    (
        "Python's notation, nested",
        '[get_weather(city="(", at=[1, {"a": None}, ")\\"]"])]',
        [("get_weather", {"city": "(", "at": [1, {"a": None}, ')"]']})],
    ),
    ("an object", OBJECT, [LISBON]),
    ("objects", f'{OBJECT};\n{{"name": "now", "arguments": {{}}}}', [LISBON, NOW]),
    ("the reference API's object", f'{{"type": "function", "function": {OBJECT}}}', [LISBON]),
    ("a list", f" \n[{OBJECT}]\n", [LISBON]),
    ("fenced JSON", f"```json\n{OBJECT}\n```", [LISBON]),
    ("fenced JSON, two", f"```\n{OBJECT}\n```\n\n```json\n{OBJECT}\n```\n", [LISBON, LISBON]),
    ("with a prefix", '<tool_call>{"name": "functions.now"}</tool_call>', [NOW]),
    (
        "in other case",
        '<tool_call>{"name": "Get_Weather", "arguments": {"city": "Lisbon"}}',
        [LISBON],
    ),
    ("a schema that says nothing", "<tool_call>none</tool_call>", [("none", {})]),
    (
        "a schema without properties",
        "<function=odd><parameter=a>1</parameter></function>",
        [("odd", {"a": 1})],
    ),
    ("two formats", f"{HERMES}\n{DSML}", [LISBON, THREE]),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize(("text", "calls"), [f[1:] for f in FORMATS], ids=[f[0] for f in FORMATS])
def test_call_is_read_in_the_models_own_format(text: str, calls: list[Call], split: bool) -> None:
    """S9; models observed, behind backends without a parser for them."""
    said, found, _ = run(pieces(text, split))
    assert (said.strip(), found) == ("", calls)


@pytest.mark.parametrize("format", TABLE, ids=[format.name for format in TABLE])
def test_every_format_of_the_table_has_an_example(format: object) -> None:
    """Ours: a row that nothing reads would be no format."""
    opener: str = format.opener  # type: ignore[attr-defined]
    assert any(text.lstrip().startswith(opener) for _, text, _ in FORMATS)
