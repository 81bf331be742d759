"""The checks of a probe: what is asked, and what an answer shows. Pure.

Issue text: about twenty tiny requests find out what really works, each with its evidence, and never
a guess. Ours: what that means for each check.
"""

import base64
import json
import struct
import zlib

import pytest

from bridge.probe import reply, samples
from bridge.probe.check import Check, find
from bridge.probe.checks import CHECKS
from bridge.relay.pdf import text_of
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.profiles import PROFILES
from tests.bridge.judging import BY_NAME, asked, judged, knowing, subject, weather
from tests.fakes.chunks import Json, delta, finish, fold, reasoning, text, usage

# --- what is asked ------------------------------------------------------------------------------


def test_there_are_about_twenty_requests_and_names_are_unique() -> None:
    assert len(BY_NAME) == len(CHECKS)
    assert 18 <= sum(check.build is not None for check in CHECKS) <= 24


@pytest.mark.parametrize("family", PROFILES)
@pytest.mark.parametrize("check", [c for c in CHECKS if c.build], ids=lambda check: check.name)
def test_requests_are_small_and_in_the_familys_spelling(check: Check, family: str) -> None:
    about = subject(family, "gpt-5" if family == "openai" else "m")
    body = asked(check, about)
    limit = about.profile.max_tokens_field
    assert body["model"] == about.model
    assert len(json.dumps(body)) < 3000
    assert ({"max_tokens", "max_completion_tokens"} & body.keys()) == {limit}
    assert body[limit] <= 2000 or check.name == "limits"


def test_requests_of_a_small_model_leave_room_for_the_question() -> None:
    """wire C2: some servers refuse what does not fit."""
    small = subject(context=1024)
    bodies = {check.name: check.build(small) for check in CHECKS if check.build}
    assert max(b["max_tokens"] for name, b in bodies.items() if name != "limits") < 724


def test_temperature_is_fixed_only_where_it_is_taken() -> None:
    """Ours: some models refuse it, and without it small ones answer differently each time."""
    stop, thinking = BY_NAME["stop"], BY_NAME["reasoning"]
    assert asked(stop, knowing(True, "temperature"))["temperature"] == 0
    assert "temperature" not in asked(stop, knowing(False, "temperature"))
    assert "temperature" not in asked(thinking, knowing(True, "temperature"))


def test_model_that_thinks_gets_room_for_it() -> None:
    plain_room = asked(BY_NAME["image"], subject())["max_tokens"]
    thinking_room = asked(BY_NAME["image"], knowing(True, "plain", reasoning=True))["max_tokens"]
    assert thinking_room >= plain_room + 1000
    assert asked(BY_NAME["max_tokens"], knowing(True, "plain", reasoning=True))["max_tokens"] < 20


@pytest.mark.parametrize(
    ("family", "on", "off"),
    [
        ("generic", {"reasoning_effort": "medium"}, {"reasoning_effort": "none"}),
        (
            "llamacpp",
            {"chat_template_kwargs": {"enable_thinking": True, "thinking": True}},
            {"chat_template_kwargs": {"enable_thinking": False, "thinking": False}},
        ),
        ("openrouter", {"reasoning": {"enabled": True}}, {"reasoning": {"enabled": False}}),
        ("deepseek", {"thinking": {"type": "enabled"}}, {"thinking": {"type": "disabled"}}),
    ],
)
def test_thinking_is_switched_as_the_gateway_does_it(family: str, on: Json, off: Json) -> None:
    """wire C7: six ways to say it."""
    for name, fields in (("reasoning", on), ("reasoning_off", off)):
        body = asked(BY_NAME[name], subject(family))
        assert {key: body.get(key) for key in fields} == fields


def test_begun_answer_is_sent_with_the_familys_switch() -> None:
    assert asked(BY_NAME["prefill"], subject("vllm"))["continue_final_message"] is True
    assert "continue_final_message" not in asked(BY_NAME["prefill"], subject("llamacpp"))


def test_picture_is_a_png_of_two_halves() -> None:
    kind, _, data = samples.picture().partition(",")
    png = base64.b64decode(data)
    width, height = struct.unpack(">II", png[16:24])
    rows = zlib.decompress(png[png.index(b"IDAT") + 4 : png.index(b"IEND") - 8])
    row = rows[1 : 1 + 3 * width]
    assert (kind, width, height) == ("data:image/png;base64", 64, 64)
    assert (row[:3], row[-3:]) == (samples.GREEN, samples.YELLOW)
    assert rows == (b"\0" + row) * height


def test_paper_is_a_pdf_with_the_code_word() -> None:
    kind, _, data = samples.paper().partition(",")
    assert kind == "data:application/pdf;base64"
    assert samples.CODE_WORD in text_of(data)


# --- what answers show --------------------------------------------------------------------------

SHOWN: list[tuple[str, list[Json | str], bool | None, str]] = [
    ("plain", ["5", finish("stop")], True, 'finish_reason stop: it answered "5"'),
    ("plain", ["", finish("stop")], False, "empty"),
    ("plain", [reasoning("hm"), finish("length"), usage(9, 1000)], None, "All 1000 tokens"),
    ("usage", ["5", usage(12, 2)], True, "12 tokens in, 2 out"),
    ("usage", ["5"], False, "no usage"),
    ("temperature", ["5"], True, '"5"'),
    ("stream", ["1,", " 2", finish("stop"), "data: [DONE]\n\n"], True, "chunks"),
    ("stream", ["1,", finish("stop")], True, "without [DONE]"),
    ("stream", ["1,", " 2"], False, "no word that the answer is over"),
    ("stream", [delta(content=""), finish("stop")], None, "without any text"),
    ("stream_usage", ["5", finish("stop"), usage(12, 2)], True, "a chunk of its own"),
    ("stream_usage", ["5", finish("stop")], False, "No usage in any of 2 chunks"),
    ("reasoning", [reasoning("hm"), "No"], True, 'In reasoning_content: "hm"'),
    ("reasoning", [reasoning("hm", "reasoning"), "No"], True, 'In reasoning: "hm"'),
    ("reasoning", ["<think>hm</think>No"], True, "read with inline_thinking tags"),
    ("reasoning", ["hm</think>No"], True, "read with inline_thinking open"),
    ("reasoning", ["No"], False, "none came"),
    (
        "reasoning",
        ["No", usage(9, 99, completion_tokens_details={"reasoning_tokens": 64})],
        True,
        "64 tokens of it are counted",
    ),
    ("reasoning_off", [reasoning("hm"), "No"], False, "all the same"),
    ("reasoning_off", ["No"], None, "No thinking was seen"),
    ("system_first", ["Hello! Banana."], True, "Banana"),
    ("system_first", ["Hello!"], False, "not heeded"),
    ("system_later", ["Good morning! BANANA"], True, "BANANA"),
    ("system_later", ["Good morning!"], False, "not heeded"),
    ("tools", [weather()], True, 'get_weather({"city": "Lisbon"})'),
    ("tools", ["Let me see. ", weather()], True, "get_weather"),
    ("tools", ["It is sunny."], False, "No call came: it answered"),
    ("tools", ["I think", finish("length")], None, "before the limit"),
    ("tools", [weather(arguments="{'city': 'Lisbon'}")], False, "no JSON object"),
    ("tools", [weather(arguments='{"city": "Lis')], False, "no JSON object"),
    ("tools", [weather(arguments="{}")], False, "do not fit"),
    ("tools", [weather(arguments='{"city": 7}')], False, "do not fit"),
    ("tools", [weather(name="get_rain")], False, "not offered"),
    (
        "tools",
        ['<tool_call>{"name": "get_weather", "arguments": {"city": "Lisbon"}}</tool_call>'],
        True,
        "As text, which the gateway reads",
    ),
    ("stream_tools", [weather(arguments='{"ci'), {"choices": []}], False, "no JSON object"),
    ("stream_tools", [weather(), finish("tool_calls")], True, "get_weather"),
    ("parallel_tools", [weather(), weather(1, '{"city": "Oslo"}')], True, "Oslo"),
    ("parallel_tools", [weather()], False, "One call only"),
    ("parallel_tools", [weather(), weather(1, "{}")], False, "do not fit"),
    ("tool_named", [weather(arguments='{"zone": "UTC"}', name="get_time")], True, "get_time"),
    ("tool_named", [weather()], False, "get_time was demanded"),
    ("tool_named", ["Hello."], False, "No call came"),
    ("tool_required", [weather()], True, "get_weather"),
    ("tool_required", ["Hello."], False, "No call came"),
    ("tool_result", ["31 degrees."], True, "reached the model"),
    ("tool_result", ["It is warm."], False, "not used"),
    ("tool_result", [weather()], None, "once more"),
    ("user_after_tool", ["Goodbye."], True, "Goodbye"),
    ("user_after_tool", [""], None, "empty"),
    ("image", ["Left: Green. Right: yellow. So green, then yellow."], True, "Green left"),
    ("image", ["Yellow, then green."], False, "The picture is green and yellow"),
    ("image", ["Green, yellow and red."], False, "The picture is"),
    ("image", ["I cannot see pictures."], False, "I cannot see"),
    ("image", [reasoning("hm"), finish("length")], None, "went into thinking"),
    ("pdf", ["The code word is Tulip."], True, "read the page"),
    ("pdf", ["I see no document."], False, "taken and not read"),
    ("stop", ["1, 2, 3, 4, ", finish("stop")], True, "stopped before 5"),
    ("stop", ["1, 2, 3, 4, 5", finish("stop")], False, "left in the text"),
    ("stop", ["1, 2, 3, 4, 5, 6, 7", finish("stop")], False, "ignored"),
    ("stop", ["One, two"], None, "never came near"),
    ("json_schema", ['{"colour": "red", "count": 7}'], True, "It fits"),
    ("json_schema", ['{"colour": "red"}'], False, "does not fit"),
    ("json_schema", ['{"colour": "red", "count": "7"}'], False, "does not fit"),
    ("json_schema", ['{"colour": "red", "count": true}'], False, "does not fit"),
    ("json_schema", ['[{"colour": "red", "count": 7}]'], False, "does not fit"),
    ("json_schema", ['```json\n{"colour": "red", "count": 7}\n```'], False, "No JSON"),
    ("json_schema", ["How nice!"], False, "No JSON"),
    ("json_schema", ['{"colour": "re', finish("length")], None, "No JSON"),
    ("max_tokens", ["1, 2, 3", finish("length"), usage(9, 12)], True, "12 tokens came"),
    ("max_tokens", ["1, 2, 3", finish("length")], True, "finish_reason length"),
    ("max_tokens", ["1, 2, 3", finish("length"), usage(9, 13)], False, "13 tokens came"),
    ("max_tokens", ["1, 2, 3, 4, " * 20, finish("stop")], False, "finish_reason stop"),
    ("max_tokens", ["Done.", finish("stop"), usage(9, 3)], None, "3 tokens came"),
    ("prefill", [" France is Paris."], True, "goes on where"),
    ("prefill", ["Ahoy! The capital of France is Paris."], True, "repeats the beginning"),
    ("prefill", ["The capital of France is Paris."], False, "began anew"),
    ("limits", ["5", finish("stop")], None, "the true one is not known"),
]


@pytest.mark.parametrize(
    ("name", "said", "works", "evidence"), SHOWN, ids=[f"{n}-{w}-{e}" for n, _, w, e in SHOWN]
)
def test_answers_show(name: str, said: list[Json | str], works: bool | None, evidence: str) -> None:
    finding = judged(name, *said)
    assert (finding.works, finding.title) == (works, BY_NAME[name].title)
    assert evidence in finding.evidence


def test_every_check_has_answers_of_both_kinds_here() -> None:
    shown = {(name, works) for name, _, works, _ in SHOWN}
    elsewhere = {
        *((name, False) for name in ("temperature", "user_after_tool", "limits")),
        *((name, True) for name in ("reasoning_off", "limits")),
        *(("stop_named", works) for works in (True, False)),
    }
    assert {(name, works) for name in BY_NAME for works in (True, False)} == {
        *((name, works) for name, works in shown if works is not None),
        *elsewhere,
    }


def test_stream_that_comes_in_one_piece_is_none() -> None:
    """wire D1: some servers ignore `stream`."""
    document = json.dumps(fold((text("1, 2"), finish("stop")), "m")).encode()
    body = asked(BY_NAME["stream"], subject())
    finding = find(BY_NAME["stream"], reply.answer(document, body, ErrorContext()), subject())
    assert (finding.works, finding.evidence[:21]) == (False, "One JSON document cam")


@pytest.mark.parametrize("key", ["stop_reason", "matched_stop"])
def test_matched_stop_sequence_is_named(key: str) -> None:
    """backends 1.2: of four servers one tells which."""
    document = fold((text("1, 2, 3, 4, "), finish("stop")), "m")
    document["choices"][0][key] = "5"
    about = knowing(True, "stop")
    answer = reply.answer(json.dumps(document).encode(), {}, ErrorContext())
    assert find(BY_NAME["stop_named"], answer, about).works is True
    assert judged("stop_named", "1, 2, 3, 4, ", finish("stop"), about=about).works is False
    assert judged("stop_named", "1, 2", about=knowing(False, "stop")).works is None


def test_thinking_that_was_seen_and_is_gone_could_be_turned_off() -> None:
    about = knowing(True, "reasoning", reasoning=True)
    finding = judged("reasoning_off", "No", about=about)
    assert (finding.works, finding.evidence) == (True, 'None came with {"reasoning_effort":"none"}')


def test_thinking_that_is_hidden_and_counted_is_not_off() -> None:
    about = knowing(True, "reasoning", reasoning=True)
    counted = usage(9, 99, completion_tokens_details={"reasoning_tokens": 64})
    assert judged("reasoning_off", "No", counted, about=about).works is False
