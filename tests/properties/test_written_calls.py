"""Text that looks like tool calls: either a call of a declared tool, or text to the last character.

The text is made of the marks of all formats in every order, so nearly all of it is broken markup.
"""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.response.deltas import ContentDelta, Finish, Reasoning, Text, ToolCall
from bridge.translation.response.text_calls.formats import FORMATS
from bridge.translation.response.text_calls.stage import TextCalls
from tests.properties.hostile import TOOLS
from tests.properties.values import CUTS, OBJECTS, pieces, written
from tests.shapes import Json

MARKS = [
    *(format.opener for format in FORMATS),
    *("</tool_call>", "</function>", "</longcat_tool_call>", "<|tool_calls_section_end|>"),
    *("<|tool_call_argument_begin|>", "<|tool_call_end|>", "<｜tool▁calls▁end｜>"),
    *("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>", "```json\n", "\n```\n"),
    *("function", "<parameter=command>", "</parameter>", "<arg_key>", "</arg_key>", "<arg_value>"),
    *("</arg_value>", "[ARGS]", "[CALL_ID]x", "<|eom_id|>", "; ", "</invoke>", "</function_calls>"),
    *('<parameter name="command">', '<｜DSML｜parameter name="command" string="true">', '">', "`"),
    *("</｜DSML｜parameter>", "</｜DSML｜invoke>", "<|message|>", "<|call|>", "call:Bash{", "}"),
    *('<|"|>', "<tool_call|>", "~~~\n", "\n", "\n\n"),
]
BODIES = [
    *("Bash", "functions.Bash:0", "get_weather\n", '{"command": "ls"}', "{}", "{", "}", "[", "]"),
    '{"name": "Bash", "arguments": {"command": "</tool_call>"}}',
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    '[{"name": "Bash", "arguments": {}}, {"name": "nobody", "arguments": {}}]',
    *('[Bash(command="ls")]', "[Bash()", "get_weather(days=3)]", "[Bash(1)]", "Bash(command=1j)"),
    *("{'a': 1}", "[Bash(a=...)]", "[Bash(a={(1, 2): 3})]", "[Bash(a=b'x')]", '[Bash(a="\\d")]'),
]
PROSE = ["so ", " ", "\n", "\n\n", "é", "🙂", "<", "[", "｜", "<|", "a", "<tool", "ls", "command"]
PAIRS = st.builds(
    lambda format, inner: "\n" + format.opener + "".join(inner),
    st.sampled_from(FORMATS),
    st.lists(st.sampled_from([*BODIES, *MARKS]), max_size=4),
)
MARKUP = st.lists(
    st.one_of(st.sampled_from(MARKS), st.sampled_from(BODIES), st.sampled_from(PROSE), PAIRS),
    max_size=7,
).map("".join)
PROSE_ONLY = st.lists(st.sampled_from(PROSE), max_size=4).map("".join)


def through(deltas: list[ContentDelta], tools: Json = TOOLS) -> list[ContentDelta]:
    stage = TextCalls(tools)
    return [out for delta in [*deltas, Finish("stop")] for out in stage.feed(delta)] + [
        *stage.finish()
    ]


def runs(said: list[ContentDelta]) -> list[str | ToolCall]:
    """Text between the calls, and the calls."""
    found: list[str | ToolCall] = [""]
    for delta in said:
        if isinstance(delta, ToolCall):
            found += [delta, ""]
        elif isinstance(delta, (Text, Reasoning)):
            found[-1] = str(found[-1]) + delta.text
    return found


def holds_in_order(whole: str, parts: list[str]) -> bool:
    """Whether the whole begins and ends with the outer parts and has the others between."""
    at = 0
    for part in parts:
        at = whole.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return whole.startswith(parts[0]) and whole.endswith(parts[-1])


@given(text=MARKUP, cuts=CUTS, make=st.sampled_from([Text, Reasoning]))
def test_text_without_a_declared_call_stays_to_the_last_character(
    text: str, cuts: list[int], make: type[Text]
) -> None:
    """Ours: a lost sentence is worse than a call that nobody read."""
    found = runs(through([make(piece) for piece in pieces(text, cuts)]))
    calls = [item for item in found if isinstance(item, ToolCall)]
    assert holds_in_order(text, [item for item in found if isinstance(item, str)])
    assert calls or found == [text]
    for call in calls:
        assert call.name in TOOLS and call.name in text
        assert isinstance(json.loads(call.arguments), dict)


@given(text=MARKUP, cuts=CUTS)
def test_pieces_never_change_which_calls_are_found(text: str, cuts: list[int]) -> None:
    """Backends observed: tokens end inside marks."""
    whole = runs(through([Text(text)]))
    assert runs(through([Text(piece) for piece in pieces(text, cuts)])) == whole
    assert runs(through([Text(letter) for letter in text])) == whole


@given(text=MARKUP, cuts=CUTS)
def test_no_text_becomes_a_call_of_a_tool_that_nobody_declared(text: str, cuts: list[int]) -> None:
    """S9: an undeclared name is never turned into a tool."""
    said = through([Text(piece) for piece in pieces(text, cuts)], {"Undeclared": {}})
    assert runs(said) == [text]


FORMS = st.sampled_from(
    [
        '<tool_call>\n{"name": "Bash", "arguments": %s}\n</tool_call>',
        '<longcat_tool_call>{"name": "Bash", "arguments": %s}</longcat_tool_call>',
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.Bash:0"
        "<|tool_call_argument_begin|>%s<|tool_call_end|><|tool_calls_section_end|>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>Bash<｜tool▁sep｜>%s<｜tool▁call▁end｜>"
        "<｜tool▁calls▁end｜>",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>Bash\n```json\n%s\n```"
        "<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        '<|python_tag|>{"name": "Bash", "parameters": %s}',
        '[TOOL_CALLS][{"name": "Bash", "arguments": %s}]',
        "[TOOL_CALLS]Bash[ARGS]%s",
    ]
)


@given(before=PROSE_ONLY, form=FORMS, given_object=OBJECTS, raw=st.booleans(), cuts=CUTS)
def test_call_of_a_declared_tool_is_found_in_every_format(
    before: str, form: str, given_object: Json, raw: bool, cuts: list[int]
) -> None:
    """S9: with any arguments, on a line behind any text, cut anywhere; no mark is left over."""
    before = f"{before}\n" if before.strip(" ") else before[:3]
    text = before + form % written(given_object, raw)
    found = runs(through([Text(piece) for piece in pieces(text, cuts)]))
    calls = [item for item in found if isinstance(item, ToolCall)]
    assert found[0] == before and found[2:] == [""]
    assert [call.name for call in calls] == ["Bash"]


@given(text=MARKUP, cuts=CUTS, make=st.sampled_from([Text, Reasoning]))
def test_h2_calls_stand_only_at_the_end(text: str, cuts: list[int], make: type[Text]) -> None:
    """H2: with a word behind it, all of it is text."""
    said = through([make(piece) for piece in pieces(f"{text}\nso", cuts)])
    assert runs(said) == [f"{text}\nso"]
