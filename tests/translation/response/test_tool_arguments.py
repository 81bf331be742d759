"""Tool arguments: whatever a model writes, the client gets one JSON object, or sees the cut."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.translation.response.tool_arguments import ArgumentStream, as_object
from tests.shapes import Json

PIECES = ["whole", "byte by byte"]


def run(text: str, cut: bool = False, pieces: str = "whole") -> str:
    """What the client gets, all deltas put together."""
    stream = ArgumentStream()
    said = [stream.feed(piece) for piece in (text if pieces == "byte by byte" else [text])]
    return "".join(said) + stream.finish(cut)


def unparsed(raw: str) -> Json:
    return {"__unparsedToolInput": {"raw": raw, "len": len(raw.encode())}}


GOOD = [
    "{}",
    '{"a": 1}',
    ' {"a": [1, -2.5e+3, true, false, null], "b": {"c": {}}, "d": []} ',
    '{"a": "\\u00e9 \\n \\" \\\\ \\/ \\b\\f\\r\\t", "": "\U0001f600"}',
    '{"a": "{\\"b\\": [1]}", "c": "it\'s // no, {comment}"}',
]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("text", GOOD)
def test_good_json_arrives_unchanged(text: str, pieces: str) -> None:
    """The specification, D4: only white space around the object and behind commas may go."""
    assert json.loads(run(text, pieces=pieces)) == json.loads(text)
    assert len(run(text)) >= len(text.strip()) - text.count(", ")


MENDED: list[tuple[str, str, Json]] = [
    ("F75 nothing", "", {}),
    ("F75 white space", " \n", {}),
    ("F75 the text null", " null ", {}),
    ("F75 the text None", "None", {}),
    (
        "F76 Python's way of writing",
        "{'a': True, 'b': [False, None],}",
        {"a": True, "b": [False, None]},
    ),
    ("F76 space behind single quotes", "{'a' : 'x' , 'b': ['y' ]\n}", {"a": "x", "b": ["y"]}),
    ("an apostrophe inside single quotes", "{'a': 'it's'}", {"a": "it's"}),
    ("an apostrophe and a space inside", "{'a': 'the boys\n are'}", {"a": "the boys\n are"}),
    ("a quote and a space, no end", "{'a': 'the boys' \ncar'}", {"a": "the boys' \ncar"}),
    ("double quotes inside single quotes", "{'a': 'say \"hi\"'}", {"a": 'say "hi"'}),
    ("an escaped apostrophe", "{'a': 'it\\'s'}", {"a": "it's"}),
    ("F77 raw newline and tab", '{"a":"x\ny\tz"}', {"a": "x\ny\tz"}),
    ("other control characters", '{"a":"x\x01\r\b\fy"}', {"a": "x\x01\r\b\fy"}),
    ("an escape of nothing", '{"a":"x\\&y"}', {"a": "x&y"}),
    ("an escape of a letter", '{"a":"\\d+"}', {"a": "\\d+"}),
    ("an escape of a newline", '{"a":"x\\\ny"}', {"a": "x\ny"}),
    ("a spoilt unicode escape", '{"a":"\\u12"}', {"a": "\\u12"}),
    ("half an emoji", '{"a":"\\ud83d"}', {"a": "\ufffd"}),
    ("the other half of an emoji", '{"a":"x\\ude00y"}', {"a": "x\ufffdy"}),
    ("half an emoji in front of an escape", '{"a":"\\ud83d\\n"}', {"a": "\ufffd\n"}),
    ("half an emoji in front of another", '{"a":"\\ud83d\\ud83d"}', {"a": "\ufffd\ufffd"}),
    ("half an emoji in front of a letter", '{"a":"\\ud83d\\u0041"}', {"a": "\ufffdA"}),
    ("a NUL character", '{"a":"x\\u0000y"}', {"a": "xy"}),
    ("an emoji written as two escapes", '{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
    ("a comma before a brace", '{"a":1,}', {"a": 1}),
    ("a comma before a bracket", '{"a":[1, ]}', {"a": [1]}),
    ("F78 a second document", '{}{"a":1}', {}),
    ("text behind the object", '{"a":1} and so on', {"a": 1}),
    ("a code fence", '```json\n{"a":1}\n```', {"a": 1}),
    ("text in front", 'Call: {"a":1}', {"a": 1}),
    ("a missing brace", '{"a":{"b":1}', {"a": {"b": 1}}),
    ("a missing bracket and brace", '{"a":[1, {"b":"c"', {"a": [1, {"b": "c"}]}),
    ("F108 an array", "[1, 2]", {"value": [1, 2]}),
    ("F108 an array with an object in it", '[{"a":1}]', {"value": [{"a": 1}]}),
    ("F108 a string", '"ls"', {"value": "ls"}),
    ("a text that spells an object", r'"{\"a\":\"\\\"b\"}"', {"a": '"b'}),
    ("a text that spells such a text", r'"\"{\\\"a\\\":1}\""', {"a": 1}),
    ("a code fence behind a text that spells an object", '"{}"\n```', {}),
    ("a text that spells an array", '"[1]"', {"value": "[1]"}),
    ("quotes that are not escaped", '"{"a":1}"', unparsed('"{"a":1}"')),
    ("F108 a number", "5", {"value": 5}),
    ("F108 nonsense", "nonsense", unparsed("nonsense")),
    ("nonsense that is not ASCII", "h\u00e9", unparsed("h\u00e9")),
    ("nonsense with braces", "f({x})", unparsed("f({x})")),
    ("a bare key", "{a: 1}", unparsed("{a: 1}")),
    ("an array that breaks", "[1, oops", unparsed("[1, oops")),
]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize(("text", "value"), [m[1:] for m in MENDED], ids=[m[0] for m in MENDED])
def test_loose_json_becomes_an_object(text: str, value: Json, pieces: str) -> None:
    """The specification, D4; models observed writing each of these."""
    assert json.loads(run(text, pieces=pieces)) == value


BROKEN = [
    '{"a":tru!}',
    '{"a":01}',
    '{"a":1,,"b":2}',
    '{"a" 1}',
    '{"a":1]}',
    '{"a":1 "b":2}',
    '{"a":[1}',
    '{"a":}',
    '{"a":1x}',
    '{"a": hello',
]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("text", BROKEN)
def test_document_that_breaks_later_arrives_as_it_came(text: str, pieces: str) -> None:
    """The specification, D4: what was forwarded is followed by the rest, unchanged."""
    assert run(text, pieces=pieces) == text


ENDS_EARLY = [
    '{"command": "rm -rf build',
    '{"command": "rm -rf build\\',
    '{"command": "rm -rf build\\u00',
    '{"timeout": 12',
    '{"background": tr',
    '{"background": true',
    '{"command": "ls",',
    '{"command"',
    '{"command":',
    '{"todos": [',
    '{"todos": [{"a": "b"},',
    "{",
]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize("text", ENDS_EARLY)
def test_h1_nothing_is_invented_where_the_document_ends_early(text: str, pieces: str) -> None:
    """H1: half a command is another command, whatever the backend calls the end."""
    assert run(text, pieces=pieces) == text
    with pytest.raises(json.JSONDecodeError):
        json.loads(run(text, pieces=pieces))


@pytest.mark.parametrize(
    ("text", "cut", "open_"),
    [
        ('{"a": "b', False, True),
        ('{"a": "b"', False, False),
        ('{"a": "b"', True, True),
        ('{"a": "b"}', True, False),
        ("", True, True),
        ("", False, False),
        ('{"a": oops,', False, False),
    ],
)
def test_h1_it_is_known_whether_a_document_was_left_open(text: str, cut: bool, open_: bool) -> None:
    """H1: that decides the stop reason. A broken document is not an open one."""
    stream = ArgumentStream()
    stream.feed(text)
    stream.finish(cut)
    assert stream.left_open is open_


CUT = [
    ("F79 inside a string", '{"a": "xy', '{"a": "xy'),
    ("behind a comma", '{"a": 1,', '{"a": 1,'),
    ("inside a literal", '{"a": tr', '{"a": tr'),
    ("behind the brace", "{", "{"),
    ("behind the brace and a blank", "{ ", "{"),
    ("before anything", "", "{"),
    ("behind a complete value", '{"a": "x"', '{"a": "x"'),
    ("complete", '{"a": 1}', '{"a": 1}'),
    ("a broken document", '{"a": tru!', '{"a": tru!'),
]


@pytest.mark.parametrize("pieces", PIECES)
@pytest.mark.parametrize(("text", "sent"), [c[1:] for c in CUT], ids=[c[0] for c in CUT])
def test_cut_stays_visible(text: str, sent: str, pieces: str) -> None:
    """The specification, D4: no closers are supplied where the token limit cut."""
    assert run(text, cut=True, pieces=pieces) == sent


CUT_WRAPPED = [
    ("a complete array", "[1]", {"value": [1]}),
    ("half an array", "[1,", unparsed("[1,")),
    ("nonsense", "nonsen", unparsed("nonsen")),
    ("a number that may go on", "12", unparsed("12")),
]


@pytest.mark.parametrize(
    ("text", "value"), [c[1:] for c in CUT_WRAPPED], ids=[c[0] for c in CUT_WRAPPED]
)
def test_cut_document_that_is_no_object_is_wrapped_all_the_same(text: str, value: Json) -> None:
    """The specification, D4: an input is always an object, or the beginning of one."""
    assert json.loads(run(text, cut=True)) == value


def test_pieces_are_forwarded_as_they_come() -> None:
    """The specification, D4: the brace, a comma and a literal wait, nothing else does."""
    stream = ArgumentStream()
    pieces = ["{", '"a', '":', " [tr", "ue,", " 1", "]", ",", ' "b', '": 2', "}"]
    sent = [stream.feed(piece) for piece in pieces]
    assert sent == ["", '{"a', '":', " [", "true", "", ",1]", "", ',"b', '": ', "2}"]
    assert (stream.complete, stream.raw) == (True, "".join(pieces))


def test_nothing_comes_out_behind_the_end() -> None:
    """The specification, D4: only the first document is kept."""
    stream = ArgumentStream()
    assert stream.feed("{}") == "{}"
    assert (stream.feed(' {"a":1}'), stream.finish()) == ("", "")


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", {"value": [1]}),
        ("5", {"value": 5}),
        ("null", {"value": None}),
        ("oops", unparsed("oops")),
        ("\ud83d", {"__unparsedToolInput": {"raw": "\ud83d", "len": 1}}),
    ],
)
def test_any_text_is_an_object_in_the_end(raw: str, value: Json) -> None:
    """F108: an input is an object whatever it was."""
    assert as_object(raw) == value


_LOOSE = st.lists(
    st.sampled_from([*"{}[]\"':, \n\\u1-.eta\u00e9\x00", "null", "True", '"a":', "\\ud83d", "```"]),
    max_size=14,
).map("".join)
_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_OBJECTS = st.dictionaries(
    _TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | _TEXT,
        lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner),
        max_leaves=6,
    ),
    max_size=4,
)
_quick = settings(max_examples=60, derandomize=True, deadline=None, database=None)


@_quick
@given(text=_LOOSE, cut=st.booleans())
def test_borders_of_pieces_never_matter(text: str, cut: bool) -> None:
    """Ours: backends cut anywhere."""
    assert run(text, cut) == run(text, cut, "byte by byte")


@_quick
@given(value=_OBJECTS, indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_no_valid_object_is_changed(value: Json, indent: int | None, ascii_only: bool) -> None:
    """Ours: mending must not touch what is right."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert json.loads(run(text, pieces="byte by byte")) == value
