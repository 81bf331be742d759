"""Reading the answers of a probe. Ours: as the gateway reads them, but nothing is mended."""

import json

import pytest

from bridge.probe import reply as reply
from bridge.probe.reply import OPEN, TAGS, ProbeReply
from bridge.translation.errors.from_backend import ErrorContext
from tests.bridge.making import wire
from tests.fakes.chunks import (
    Json,
    arguments,
    call,
    dress,
    failure,
    finish,
    fold,
    role,
    text,
    usage,
)
from tests.fakes.chunks import reasoning as thinking

TOOLS = [{"function": {"name": "get_weather", "parameters": {"type": "object"}}}]
ASKED = ErrorContext(secrets=("sk-secret", "llm.example.com"))


def plain(*chunks: Json) -> bytes:
    return json.dumps(fold(chunks, "m")).encode()


def hear(raw: bytes, **body: object) -> ProbeReply:
    return reply.answer(raw, {"model": "m", **body}, ASKED)


def test_plain_answer_and_stream_say_the_same() -> None:
    said = (role(), text("He"), text("llo"), finish("stop"), usage(7, 2))
    whole, streamed = hear(plain(*said)), hear(wire(*said, "data: [DONE]\n\n"))
    for one in (whole, streamed):
        assert (one.text, one.finish, one.calls, one.error) == ("Hello", "stop", (), None)
        assert one.usage is not None
        assert (one.usage.prompt, one.usage.completion) == (7, 2)
    assert (whole.chunks, whole.closed) == (0, False)
    assert (streamed.chunks, streamed.closed) == (6, True)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("streamed", [False, True])
def test_field_of_the_thinking_is_named(field: str, streamed: bool) -> None:
    said = (thinking("hm", field), text("Yes"), finish("stop"))
    one = hear(wire(*said) if streamed else plain(*said))
    assert (one.thought, one.thought_in, one.text) == ("hm", field, "Yes")


def test_text_that_speaks_of_the_field_is_not_taken_for_it() -> None:
    one = hear(plain(thinking("hm", "reasoning"), text('"reasoning_content": "x"')))
    assert one.thought_in == "reasoning"


@pytest.mark.parametrize(
    ("written", "thought", "place", "visible"),
    [
        ("<think>hm</think>\n\nYes", "hm", TAGS, "Yes"),
        ("hm\n</think>\n\nYes", "hm\n", OPEN, "Yes"),
        ("<think>\n\n</think>\n\nYes", "", "", "Yes"),
        ("A <think> tag is a tag.", "", "", "A <think> tag is a tag."),
    ],
)
def test_thinking_in_the_text_is_found_where_it_stands(
    written: str, thought: str, place: str, visible: str
) -> None:
    one = hear(plain(text(written)))
    assert (one.thought, one.thought_in, one.text) == (thought, place, visible)


def test_fragments_of_calls_are_put_together_and_not_mended() -> None:
    """Ours: whether arguments are valid is what is asked."""
    one = hear(
        wire(
            call(0, "a", "get_weather"),
            arguments(0, '{"city": '),
            arguments(0, "'Oslo'}"),
            call(1, "b", "get_time", "{}"),
        )
    )
    assert [str(made) for made in one.calls] == ["get_weather({\"city\": 'Oslo'})", "get_time({})"]
    assert [made.values for made in one.calls] == [None, {}]


@pytest.mark.parametrize("value", ["[1]", '"x"', "7", "null", "{", "NaN"])
def test_arguments_that_are_no_object_have_no_values(value: str) -> None:
    (made,) = hear(plain(call(0, "a", "get_weather", value))).calls
    assert made.values is None


def test_call_in_the_text_is_found_only_where_tools_were_offered() -> None:
    written = '<tool_call>{"name": "get_weather", "arguments": {"city": "Oslo"}}</tool_call>'
    (made,) = hear(plain(text(written)), tools=TOOLS).calls
    assert (made.name, made.values, made.as_text) == ("get_weather", {"city": "Oslo"}, True)
    assert hear(plain(text(written))).calls == ()


@pytest.mark.parametrize("raw", [b"", b"  ", b"<html>", b"[]", b"{}", b'{"choices": []}', b"\xff"])
def test_good_status_with_nothing_behind_it_is_an_error(raw: bytes) -> None:
    """backends 1.1: one server answers 200 with an empty body where it should refuse."""
    one = hear(raw)
    assert one.error is not None
    assert one.words.startswith("status 200, but ")


@pytest.mark.parametrize("streamed", [False, True])
def test_error_inside_a_good_answer_is_one(streamed: bool) -> None:
    chunk = failure("out of memory at llm.example.com", 500)
    one = hear(wire(chunk) if streamed else json.dumps(dress(chunk, "m")).encode())
    assert one.error is not None
    assert (one.status, one.text) == (500, "")
    assert "out of memory" in one.words and "llm.example.com" not in one.words


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b'{"error": {"message": "no such thing"}}', "status 400, no such thing"),
        (b'{"detail": "nothing here for sk-secret"}', "status 400, nothing here for [redacted]"),
        (b"<html><body>Bad  gateway</body></html>", "status 400, Bad gateway"),
        (b"", "status 400"),
        (b"\xff\xfe", "status 400, ��"),
    ],
)
def test_refusals_of_any_form_are_told_in_their_words(raw: bytes, said: str) -> None:
    one = reply.refusal(400, {}, raw, ASKED)
    assert one.words == said
    assert one.error is not None and one.error.status == 400


def test_usage_that_counts_nothing_is_none() -> None:
    reply = fold((text("x"),), "m")
    for empty in ({}, {"prompt_tokens": None}, None, "no"):
        assert hear(json.dumps(reply | {"usage": empty}).encode()).usage is None


def test_usage_of_its_own_chunk_is_told_apart() -> None:
    counts = usage(7, 2)["usage"]
    beside = finish("stop") | {"usage": counts}
    alone, with_choices = hear(wire(text("x"), usage(7, 2))), hear(wire(text("x"), beside))
    assert alone.usage is not None and alone.usage.final
    assert with_choices.usage is not None and not with_choices.usage.final
