"""Which text is a call: what stands around it decides, and in doubt it is text."""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import (
    ContentDelta,
    Done,
    Finish,
    Reasoning,
    Refusal,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.text_calls.stage import TextCalls
from tests.translation.response.test_text_tool_call_formats import (
    CODER,
    DEEPSEEK_31,
    DSML,
    GLM,
    HERMES,
    INVOKE,
    KIMI,
    LISBON,
    NOW,
    OBJECT,
    SCHEMAS,
    STOP,
    THREE,
    Call,
    pieces,
    run,
)

BARE = '{"name": "now", "arguments": {}}'
NO_CALLS: list[tuple[str, str]] = [
    # the name, the arguments, the form
    ("an unknown tool", '<tool_call>{"name": "rm", "arguments": {}}</tool_call>'),
    ("one of two unknown", '<tool_call>[{"name": "now"}, {"name": "rm"}]</tool_call>'),
    ("without what is required", HERMES.replace("city", "town")),
    ("a tag without what is required", INVOKE.replace("city", "town")),
    ("no name", '<tool_call>{"a": 1}</tool_call>'),
    ("no object", "<tool_call>[5]</tool_call>"),
    ("an empty one", "<tool_call></tool_call>"),
    ("a name that is a number", '<tool_call>{"name": 5}</tool_call>'),
    ("arguments that are a list", '<tool_call>{"name": "now", "arguments": [1]}</tool_call>'),
    ("arguments that are no JSON", '<tool_call>{"name": "now", "arguments": "x"}</tool_call>'),
    ("broken JSON", '<tool_call>{"name": tru!}</tool_call>'),
    ("only the beginning", "<tool_call>{"),
    ("only half a mark", "a\n<tool_c"),
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
    ("a list with a set", '[get_weather(city="x", at=[{1}])]'),
    ("a list with keys that are no text", '[get_weather(city="x", at={1: 2})]'),
    ("a list with everything in one", "[now(**{})]"),
    ("a list that is none", "[n"),
    ("attributes without end", "[now(a=1)," + "a." * 400 + "a(x=1)]"),
    ("brackets without end", "[now(a=" + "[" * 400 + "]" * 400 + ")]"),
    ("signs without end", "[now(a=" + "-" * 9000 + "1)]"),
    ("a link", "[now](https://x)"),
    ("a comparison", "a < b and [c] > d"),
    ("white space", " \n "),
    ("a tool's definition", '{"name": "get_weather", "parameters": {"type": "object"}}'),
    ("an object with more in it", BARE.replace("}}", '}, "note": "so"}')),
    ("an object without arguments", '{"name": "now"}'),
    ("an answer in JSON", '{"city": "Lisbon", "days": 3}'),
    ("fenced Python", f"```python\n{BARE}\n```"),
    # what is cut
    ("cut in an argument", HERMES[:50]),
    ("cut behind an argument", CODER[: CODER.index("<parameter=days>")]),
    ("cut behind a value", GLM[: GLM.rindex("\n<arg_key>")]),
    ("cut in front of the end", DSML[: DSML.rindex("</")]),
    ("cut in the second", f"{HERMES}\n{HERMES[:40]}"),
    ("cut in bare JSON", OBJECT[:-1]),
    # where it stands
    ("in a fence", f"So:\n\n```xml\n{HERMES}\n```\n"),
    ("in a fence that is not closed", f"So:\n```xml\n{HERMES}"),
    ("in a longer fence", f"````\n```\n{HERMES}\n```\n"),
    ("in a fence of tildes", f"~~~\n{HERMES}\n~~~"),
    ("behind a fence in a fence", f"```\n~~~\n{HERMES}"),
    ("between backquotes", f"Write `{HERMES}`"),
    ("between backquotes, on a line", f"Write `\n{HERMES}"),
    ("in a fence of a list", f"1. So:\n\n      ```xml\n\n{HERMES}\n"),
    ("in a fence behind a mark of a list", f"- ```xml\n\n{HERMES}\n"),
    ("in a fence of a list, by tabs", f"- So:\n\t\t~~~\n\n{HERMES}\n"),
    ("in a fence that begins in a line", f"So: ```\n\n{HERMES}"),
    ("behind an indented fence in a fence", f"```md\n    ```\n{HERMES}"),
    ("behind a run of backquotes", f"``` a ``\n{HERMES}"),
    ("in a sentence", f"It writes {HERMES}"),
    ("in a quote", f"> {HERMES}"),
    ("in a list", f"- {HERMES}"),
    ("in code by blanks", f"    {HERMES}"),
    ("documentation", "Write `<tool_call>` and then `</tool_call>`."),
    ("a mention of a mark", 'The format begins with <｜DSML｜invoke name="now"> and then'),
    # what follows
    ("with prose behind", f"{HERMES}\nThat is how."),
    ("with a full stop behind", f"{HERMES}."),
    ("with a closing fence behind", f"{HERMES}\n```"),
    ("bare JSON with prose behind", f"{OBJECT}\nThat is it."),
    ("a list with text behind it", "[now()] is a list"),
    # what stands in front of what must be the whole
    ("bare JSON behind prose", f"So:\n{OBJECT}"),
    ("fenced JSON behind prose", f"So:\n```json\n{OBJECT}\n```"),
    ("a list in the middle", "see\n[now()]"),
    ("fenced JSON behind a call", f"{HERMES}\n```json\n{OBJECT}\n```"),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize("text", [t[1] for t in NO_CALLS], ids=[t[0] for t in NO_CALLS])
def test_h2_text_about_a_call_stays_text(text: str, split: bool) -> None:
    """H2: to the last character."""
    assert run(pieces(text, split)) == (text, [], "")


LIST = "- a\n      ```\n      b\n      ```\n"
CALLS: list[tuple[str, str, str, list[Call]]] = [
    ("behind prose", f"Let me look.\n\n{HERMES}", "Let me look.\n\n", [LISBON]),
    ("with white space behind", f"{HERMES}\n \n", "", [LISBON]),
    ("with some blanks in front", f"So:\n   {HERMES}", "So:\n   ", [LISBON]),
    ("behind a fence", f"```\n{HERMES}\n```\n{CODER}", f"```\n{HERMES}\n```\n", [THREE]),
    ("behind a fence of a list", LIST + HERMES, LIST, [LISBON]),
    ("behind code", f"Run `ls`.\n{HERMES}", "Run `ls`.\n", [LISBON]),
    ("behind a lone backquote", f"The ` key.\n\n{HERMES}", "The ` key.\n\n", [LISBON]),
    ("behind code like a fence", f"```a``` b\n{HERMES}", "```a``` b\n", [LISBON]),
    ("behind a false start", f"<tool_call> b\n{HERMES}", "<tool_call> b\n", [LISBON]),
    (
        "behind one that never ends",
        f'<tool_call>{{"name": "now", "arguments": {{"a": "\n{HERMES}',
        '<tool_call>{"name": "now", "arguments": {"a": "\n',
        [LISBON],
    ),
    (
        "behind one with prose behind it",
        f"{HERMES}\nThat is how. Now:\n{CODER}",
        f"{HERMES}\nThat is how. Now:\n",
        [THREE],
    ),
]


@pytest.mark.parametrize("split", [False, True], ids=["whole", "in characters"])
@pytest.mark.parametrize(
    ("text", "before", "calls"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS]
)
def test_h2_call_at_the_end_is_a_call(
    text: str, before: str, calls: list[Call], split: bool
) -> None:
    """H2: only the end of an answer is read as one."""
    assert run(pieces(text, split)) == (before, calls, "")


def test_h2_no_more_is_held_than_must_be() -> None:
    """H2: each piece goes out with the character that rules a call out."""
    stage = TextCalls(SCHEMAS)
    said = [
        "".join(d.text for d in stage.feed(Text(piece)) if isinstance(d, Text))
        for piece in (
            "Hello <",
            "b> and\n<tool_",
            "x>\n<tool_call>",
            ' {"na',
            'me": "r',
            'm"',
            " y",
        )
    ]
    held = '<tool_call> {"name": "rm"'
    assert said == ["Hello <", "b> and\n", "<tool_x>\n", "", "", held, " y"]
    assert stage.finish() == []


def test_h2_answer_in_json_is_held_up_to_its_first_member() -> None:
    """H2: structured output goes out as it comes."""
    stage = TextCalls(SCHEMAS)
    assert stage.feed(Text('{"ci')) == []
    assert stage.feed(Text('ty": "Lis')) == [Text('{"city": "Lis')]
    assert stage.feed(Text('bon"}')) == [Text('bon"}')]


def test_h2_call_in_thinking_is_one_only_where_the_answer_ends_with_it() -> None:
    """H2: what a model considers is no call."""
    assert run([Reasoning("so\n"), Reasoning(HERMES)]) == ("", [LISBON], "so\n")
    assert run([Reasoning(HERMES), Text("\n\n")]) == ("", [LISBON], "")
    assert run([Reasoning(HERMES), Text(" \nok")]) == (" \nok", [], HERMES)
    assert run([Reasoning("<tool_"), Text("call>x")]) == ("call>x", [], "<tool_")
    assert run([Reasoning(HERMES), Text(HERMES)]) == ("", [LISBON], HERMES)
    assert run([Reasoning(OBJECT)]) == ("", [], OBJECT)
    assert run([Text(HERMES), Reasoning("so")]) == (HERMES, [], "so")
    assert run([Text("<tool_"), Reasoning(" "), Text("x")]) == ("<tool_x", [], " ")
    assert run([Text("a"), Reasoning("<tool_"), Text("\n"), Text(HERMES)]) == (
        "a\n",
        [LISBON],
        "<tool_",
    )


@pytest.mark.parametrize("native", [ToolCall(0, "c", "now", "{}"), Refusal("no")])
def test_h2_nothing_is_read_beside_a_call_of_the_backends_own(native: ContentDelta) -> None:
    """H2: a server that reads calls itself leaves only quotes in the text."""
    stage = TextCalls(SCHEMAS)
    assert stage.feed(Text(HERMES)) == []
    assert stage.feed(native) == [Text(HERMES), native]
    assert stage.feed(Text(HERMES)) == [Text(HERMES)]
    assert stage.finish() == []


def test_other_deltas_pass_what_is_held() -> None:
    """Ours: a reason to stop is no end, since text may follow it."""
    stage = TextCalls(SCHEMAS)
    usage = ReportedUsage(1, 1)
    others: list[ContentDelta] = [STOP, Done()]
    assert [stage.feed(Text("<tool_")), stage.feed(usage)] == [[], [usage]]
    assert [out for delta in others for out in stage.feed(delta)] == others
    assert stage.feed(Text("x")) == [Text("<tool_x")]


def test_h2_call_with_text_behind_the_finish_reason_is_text() -> None:
    """H2: some servers name a reason to stop with every piece."""
    assert run([Text(HERMES), Finish("stop"), Text("\nis how.")]) == (f"{HERMES}\nis how.", [], "")
    assert run([Text(HERMES), Finish("stop"), Text("\n")]) == ("", [LISBON], "")


def test_what_was_held_goes_out_when_the_answer_breaks_off() -> None:
    """H2: a call of an answer without an end is none."""
    stage = TextCalls(SCHEMAS)
    assert stage.feed(Text(HERMES)) == []
    assert stage.release() == [Text(HERMES)]
    assert NOW not in run([Text(HERMES)])[1]
