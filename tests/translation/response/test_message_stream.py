"""The message stream: deltas in, events out. Blocks of text and thinking, and tool calls."""

from __future__ import annotations

import pytest

from bridge.translation.response.deltas import (
    ContentDelta,
    Finish,
    Reasoning,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.stream_options import Phase
from tests.translation.playbook import Playbook

START = ("start", "ping")
END = ("end end_turn", "stop")
STOP = Finish("stop")


# --- blocks -----------------------------------------------------------------------------------


def test_text_goes_out_as_it_comes() -> None:
    """F64."""
    book = Playbook().feed(Text("He")).expect(*START, "open 0 text", "add 0 He")
    book.feed(Text("llo")).expect("add 0 llo")
    book.feed(STOP, ReportedUsage(11, 2, final=True)).expect()
    book.finish().expect("close 0", *END)
    assert book.message["usage"]["input_tokens"] == 11


def test_thinking_block_closes_with_one_signature() -> None:
    """F65."""
    book = Playbook().feed(Reasoning("a"), Reasoning("b"))
    book.expect(*START, "open 0 thinking", "add 0 a", "add 0 b")
    book.feed(Text("c")).expect("sign 0", "close 0", "open 1 text", "add 1 c")
    book.feed(STOP).finish().expect("close 1", *END)


def test_thinking_that_comes_back_is_a_block_of_its_own() -> None:
    """The specification, D3."""
    book = Playbook().feed(Reasoning("a"), Text("b"), Reasoning("c"), STOP).finish()
    assert [block["type"] for block in book.content] == ["thinking", "text", "thinking"]


def test_empty_pieces_open_nothing() -> None:
    """The specification, D3: reasoning that was announced and never came is no block."""
    book = Playbook().feed(Reasoning(""), Text("")).expect()
    book.feed(STOP).expect(*START).finish().expect("open 0 text", "close 0", *END)


def test_leading_white_space_waits_for_text() -> None:
    """The specification, D3: emitted in front of the next real text."""
    book = Playbook().feed(Text("\n"), Text(" ")).expect(*START)
    book.feed(Text("a")).expect("open 0 text", "add 0 \n a")
    book.feed(Text("\n"), STOP).finish().expect("add 0 \n", "close 0", *END)


BLANKS: list[tuple[str, list[ContentDelta], list[str]]] = [
    ("in front of a call", [Text("\n\n"), ToolCall(0, "c", "A", "{}")], ["tool_use"]),
    ("behind a call", [ToolCall(0, "c", "A", "{}"), Text("\n\n")], ["tool_use"]),
    ("behind thinking", [Reasoning("a"), Text("\n\n")], ["thinking"]),
    ("and nothing else", [Text(" \n")], ["text"]),
]


@pytest.mark.parametrize(("deltas", "kinds"), [b[1:] for b in BLANKS], ids=[b[0] for b in BLANKS])
def test_f82_white_space_alone_is_no_text(deltas: list[ContentDelta], kinds: list[str]) -> None:
    """F82: servers send blank lines around calls."""
    book = Playbook().feed(*deltas, STOP).finish()
    assert [block["type"] for block in book.content] == kinds
    assert all(block.get("text", "") == "" for block in book.content)


def test_white_space_behind_thinking_stays_in_front_of_the_text() -> None:
    """The specification, D3."""
    book = Playbook().feed(Reasoning("a"), Text("\n\n"), Reasoning("b"), Text("c"), STOP).finish()
    assert book.content[1] == {"type": "text", "text": "\n\nc"}


def test_thinking_may_be_shown_without_its_text() -> None:
    """The specification, C7: display omitted, where the operator honours it."""
    book = Playbook(omit_thinking=True).feed(Reasoning("a"), Reasoning("b"), Text("c"), STOP)
    book.expect(*START, "open 0 thinking", "sign 0", "close 0", "open 1 text", "add 1 c")


# --- calls ------------------------------------------------------------------------------------

ONE = ToolCall(0, "c1", "A", '{"a":1}')


def test_call_opens_when_its_arguments_begin() -> None:
    """The specification, D4: the name may still grow until then."""
    book = Playbook().feed(ToolCall(0, "c1", "Ba"), ToolCall(0, "", "sh")).expect(*START)
    book.feed(ToolCall(0, "", "", '{"a"')).expect("open 0 tool_use Bash c1", 'add 0 {"a"')
    book.feed(ToolCall(0, "", "", ":1}")).expect("add 0 :1}")
    book.feed(STOP).finish().expect("close 0", "end tool_use", "stop")


def test_second_tool_call_waits_until_first_block_closes() -> None:
    """F71: one block is open at a time, and nothing is lost."""
    book = Playbook().feed(ToolCall(0, "c1", "A", '{"a":'), ToolCall(1, "c2", "B", '{"b":'))
    book.expect(*START, "open 0 tool_use A c1", 'add 0 {"a":')
    book.feed(ToolCall(1, "", "", "1}")).expect()
    book.feed(ToolCall(0, "", "", "1}"))
    book.expect("add 0 1}", "close 0", "open 1 tool_use B c2", 'add 1 {"b":1}')
    book.feed(Finish("tool_calls")).finish().expect("close 1", "end tool_use", "stop")


def test_waiting_call_opens_at_the_end() -> None:
    """The specification, D4: when the stream finishes, what is open is mended and closed."""
    book = Playbook().feed(ToolCall(0, "c1", "A", '{"a":"b"'), ToolCall(1, "c2", "B")).feed(STOP)
    book.finish()
    assert [block["input"] for block in book.content] == [{"a": "b"}, {}]


def test_another_call_opens_one_that_has_only_a_name() -> None:
    """The specification, D4: arguments, another call, or the finish."""
    book = Playbook().feed(ToolCall(0, "c1", "A")).expect(*START)
    book.feed(ToolCall(1, "c2", "B", "{}")).expect("open 0 tool_use A c1")
    book.feed(STOP).finish()
    book.expect(
        "add 0 {}", "close 0", "open 1 tool_use B c2", "add 1 {}", "close 1", "end tool_use", "stop"
    )


def test_text_inside_a_call_waits() -> None:
    """F83: in order of first appearance."""
    book = Playbook().feed(ToolCall(0, "c1", "A", '{"a":'), Text("x"), Reasoning("r"))
    book.expect(*START, "open 0 tool_use A c1", 'add 0 {"a":')
    book.feed(ToolCall(0, "", "", "1}")).expect(
        "add 0 1}", "close 0", "open 1 text", "add 1 x", "close 1", "open 2 thinking", "add 2 r"
    )


def test_call_without_a_name_blocks_until_the_end() -> None:
    """The specification, D4: it may still get one; if not, it is dropped."""
    book = Playbook().feed(ToolCall(0, "c1", "", "{}"), Text("x")).expect(*START)
    book.feed(STOP).finish().expect("open 0 text", "add 0 x", "close 0", *END)


def test_only_a_call_without_a_name_is_an_error() -> None:
    """The specification, D4."""
    book = Playbook().feed(ToolCall(0, "c1", "", "{}"), STOP).finish()
    book.expect(*START, "error api_error: Backend returned a tool call without a name")


def test_fragment_that_fits_no_call_is_ignored() -> None:
    """The specification, D4: nothing has begun, either."""
    book = Playbook().feed(ToolCall(arguments="{}")).expect()
    assert book.machine.phase is Phase.NEW


def test_one_call_is_passed_on_where_one_was_wanted() -> None:
    """The specification, C6: backends ignore the flag."""
    book = Playbook(one_call=True).feed(ONE, ToolCall(1, "c2", "B", "{}"), STOP).finish()
    assert [block["name"] for block in book.content] == ["A"]


def test_names_go_back_through_the_map() -> None:
    """F47, F81."""
    book = Playbook(client_name=str.title).feed(ToolCall(0, "c1", "bash", "{}"), STOP).finish()
    assert book.content[0]["name"] == "Bash"
