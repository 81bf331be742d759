"""How a message stream ends: stop reasons, usage, errors before and after its start."""

from __future__ import annotations

import pytest
from msgspec import UNSET

from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.deltas import (
    GATEWAY_STOP,
    ContentDelta,
    Done,
    Finish,
    Lost,
    Reasoning,
    Refusal,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.events import ContextManagement, MessageDelta
from bridge.translation.response.message_stream import CUT_SHORT
from bridge.translation.response.stream_options import Phase
from tests.translation.playbook import Playbook

START = ("start", "ping")
END = ("end end_turn", "stop")
STOP = Finish("stop")
ONE = ToolCall(0, "c1", "A", '{"a":1}')
QUOTED = ToolCall(0, "c1", "A", r'"{\"a\":1}"')


# --- why it ended -----------------------------------------------------------------------------

CUT = Finish("length")
CALL_CUT = ToolCall(0, "c1", "A", '{"a": "xy')
VALUE_CUT = ToolCall(0, "c1", "A", '{"a": "xy"')
REASONS: list[tuple[str, list[ContentDelta], str, str | None]] = [
    ("stop", [Text("a"), STOP], "end_turn", None),
    ("eos", [Text("a"), Finish("eos")], "end_turn", None),
    ("unknown", [Text("a"), Finish("whatever")], "end_turn", None),
    ("F80 tool_calls without a call", [Text("a"), Finish("tool_calls")], "end_turn", None),
    ("F80 stop with a call", [ONE, STOP], "tool_use", None),
    ("tool_calls with a call", [ONE, Finish("tool_calls")], "tool_use", None),
    ("a chunk that is lost behind a call", [ONE, Lost(), STOP], "tool_use", None),
    ("a chunk that is lost behind a quoted one", [QUOTED, Lost(), STOP], "tool_use", None),
    ("length", [Text("a"), CUT], "max_tokens", None),
    ("max_tokens", [Text("a"), Finish("max_tokens")], "max_tokens", None),
    ("model_length", [Text("a"), Finish("model_length")], "max_tokens", None),
    ("F79 length inside a call", [CALL_CUT, CUT], "max_tokens", None),
    ("length behind a call", [ONE, CUT], "max_tokens", None),
    ("F84 content_filter", [Text("a"), Finish("content_filter")], "refusal", None),
    ("F84 a refusal", [Refusal("no"), STOP], "refusal", None),
    ("a refusal with a call", [ONE, Finish("content_filter")], "refusal", None),
    ("a refusal that was cut", [Refusal("no"), CUT], "max_tokens", None),
    ("F85 a matched sequence", [Text("a"), Finish("stop", "END")], "stop_sequence", "END"),
    ("F85 a sequence of its own", [Text("a"), Finish("stop", "EOT")], "end_turn", None),
    ("F85 a match and a call", [ONE, Finish("stop", "END")], "tool_use", None),
    ("F86 the gateway's match", [Text("a"), Finish(GATEWAY_STOP, "X")], "stop_sequence", "X"),
    ("F86 and a call", [ONE, Finish(GATEWAY_STOP, "X")], "stop_sequence", "X"),
    ("F86 behind a finish", [Text("a"), STOP, Finish(GATEWAY_STOP, "X")], "stop_sequence", "X"),
    ("a match inside a call", [CALL_CUT, Finish("stop", "END")], "max_tokens", None),
    ("a match behind a value", [VALUE_CUT, Finish("stop", "END")], "max_tokens", None),
    ("F86 inside a call", [VALUE_CUT, Finish(GATEWAY_STOP, "X")], "max_tokens", None),
    ("a filter inside a call", [VALUE_CUT, Finish("content_filter")], "max_tokens", None),
    ("the first finish counts", [Text("a"), CUT, STOP], "max_tokens", None),
    ("F92 an end mark alone", [Text("a"), Done()], "end_turn", None),
    ("F92 an end mark behind a call", [ONE, Done()], "tool_use", None),
]


@pytest.mark.parametrize(
    ("deltas", "reason", "sequence"), [r[1:] for r in REASONS], ids=[r[0] for r in REASONS]
)
def test_first_condition_that_holds_is_the_stop_reason(
    deltas: list[ContentDelta], reason: str, sequence: str | None
) -> None:
    """The specification, D5, row by row."""
    book = Playbook(stop_sequences=("END",)).feed(*deltas).finish()
    message = book.message
    assert (message["stop_reason"], message["stop_sequence"]) == (reason, sequence)
    assert book.machine.stop_reason == reason
    assert ("stop_details" in message) is (reason == "refusal")


WINDOWS: list[tuple[str, ReportedUsage, int, str]] = [
    ("full", ReportedUsage(4090, 4), 4096, "model_context_window_exceeded"),
    ("just full", ReportedUsage(4084, 4), 4096, "model_context_window_exceeded"),
    ("not full", ReportedUsage(4083, 4), 4096, "max_tokens"),
    ("full, with all that was asked for", ReportedUsage(3996, 100), 4096, "max_tokens"),
    ("unknown", ReportedUsage(4090, 4), 0, "max_tokens"),
    ("without a report", ReportedUsage(), 4096, "max_tokens"),
]


@pytest.mark.parametrize(
    ("usage", "context", "reason"), [w[1:] for w in WINDOWS], ids=[w[0] for w in WINDOWS]
)
def test_length_may_mean_the_end_of_the_window(
    usage: ReportedUsage, context: int, reason: str
) -> None:
    """The specification, D5."""
    book = Playbook(context=context, max_tokens=100).feed(Text("a"), CUT, usage).finish()
    assert book.message["stop_reason"] == reason


@pytest.mark.parametrize("wanted", [True, False])
def test_f60_context_edits_are_answered_where_they_were_asked_for(wanted: bool) -> None:
    """F60: none was applied."""
    book = Playbook(context_management=wanted).feed(Text("a"), STOP).finish()
    end = book.events[-2]
    assert isinstance(end, MessageDelta)
    assert end.context_management == (ContextManagement([]) if wanted else UNSET)


# --- usage ------------------------------------------------------------------------------------


def test_f88_estimates_stand_in_for_a_report() -> None:
    """F88: four bytes for a token, at least one."""
    book = (
        Playbook(input_estimate=70).feed(Reasoning("abcd"), Text("e\u4f60\u597d\u4f60")).feed(STOP)
    )
    assert book.finish().message["usage"]["output_tokens"] == round((4 + 1 + 9) / 4)
    assert book.message["usage"]["input_tokens"] == 70
    assert Playbook().feed(STOP).finish().message["usage"]["output_tokens"] == 1
    taught = Playbook(bytes_per_token=2.0).feed(Text("abcd"), STOP).finish()
    assert taught.message["usage"]["output_tokens"] == 2


REPORTS: list[tuple[str, list[ReportedUsage], tuple[int, int]]] = [
    ("F89 the last counts", [ReportedUsage(11, 1), ReportedUsage(11, 2)], (11, 2)),
    (
        "F89 the last complete one",
        [ReportedUsage(11, 2), ReportedUsage(), ReportedUsage(12)],
        (11, 2),
    ),
    ("an incomplete one is better than none", [ReportedUsage(11)], (11, 1)),
    ("no prompt behind a prompt", [ReportedUsage(11, 1), ReportedUsage(0, 7)], (11, 7)),
    ("no completion behind one", [ReportedUsage(11, 5), ReportedUsage(12, 0)], (12, 5)),
    ("zeros behind a report", [ReportedUsage(11, 5), ReportedUsage(0, 0)], (11, 5)),
]


@pytest.mark.parametrize(
    ("reports", "counts"), [r[1:] for r in REPORTS], ids=[r[0] for r in REPORTS]
)
def test_reports_are_not_added_up(reports: list[ReportedUsage], counts: tuple[int, int]) -> None:
    """F89, D6."""
    usage = Playbook().feed(Text("a"), *reports, STOP).finish().message["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == counts


SAID_ALL: list[tuple[str, list[ContentDelta], bool]] = [
    ("text", [Text("a")], False),
    ("a finish", [Text("a"), STOP], False),
    ("a finish and the usage", [Text("a"), STOP, ReportedUsage(1, 1, final=True)], True),
    ("usage in the finish chunk", [Text("a"), STOP, ReportedUsage(1, 1)], False),
    ("usage before the finish", [Text("a"), ReportedUsage(1, 1, final=True), STOP], False),
    ("the end mark", [Text("a"), Done()], True),
]


@pytest.mark.parametrize(
    ("deltas", "all_of_it"), [s[1:] for s in SAID_ALL], ids=[s[0] for s in SAID_ALL]
)
def test_it_is_known_when_nothing_more_can_matter(
    deltas: list[ContentDelta], all_of_it: bool
) -> None:
    """The specification, D2: the end mark, or usage behind the finish."""
    assert Playbook().feed(*deltas).machine.said_all is all_of_it


# --- beginning, ending, dying -----------------------------------------------------------------


def test_f97_stream_may_begin_before_anything_is_there() -> None:
    """F97: a caller that cannot wait gets the start and a ping, once."""
    book = Playbook().open().expect(*START)
    assert book.machine.phase is Phase.OPEN
    book.open().expect().feed(Text("a")).expect("open 0 text", "add 0 a")


def test_nothing_is_taken_or_given_after_the_end() -> None:
    """F92: two end marks are one end."""
    book = Playbook().feed(Text("a"), STOP).finish()
    assert book.machine.phase is Phase.DONE
    book.expect(*START, "open 0 text", "add 0 a", "close 0", *END)
    book.feed(Text("b"), Done()).finish().fail(ApiError(500, "x")).expect()


def test_error_after_the_start_is_an_event() -> None:
    """The specification, D7: no block is closed, nothing follows."""
    book = Playbook().feed(Text("He")).fail(ApiError(504, "too slow"))
    book.expect(*START, "open 0 text", "add 0 He", "error timeout_error: too slow")
    assert book.machine.phase is Phase.FAILED
    book.feed(Text("llo")).finish().fail(ApiError(500, "again")).expect()
    assert book.message["error"] == {"type": "timeout_error", "message": "too slow"}
    assert book.machine.error is not None


def test_error_before_the_start_is_raised() -> None:
    """The specification, D2: a reply with its status can still be given."""
    book = Playbook()
    with pytest.raises(ApiError, match="too slow"):
        book.fail(ApiError(504, "too slow"))
    assert book.machine.phase is Phase.FAILED
    book.feed(Text("a")).finish().expect()


ENDS: list[tuple[str, list[ContentDelta], str]] = [
    ("F93 in text", [Text("He")], f"error api_error: {CUT_SHORT}"),
    ("F94 in a call", [ToolCall(0, "c1", "A", '{"a":')], f"error api_error: {CUT_SHORT}"),
    ("F94 behind a complete call", [ONE], f"error api_error: {CUT_SHORT}"),
    ("in held white space", [Text("\n")], f"error overloaded_error: {CUT_SHORT}"),
    ("F94 half a call and the end mark", [CALL_CUT, Done()], f"error api_error: {CUT_SHORT}"),
]


@pytest.mark.parametrize(("deltas", "event"), [e[1:] for e in ENDS], ids=[e[0] for e in ENDS])
def test_end_without_a_finish_reason_is_an_error(deltas: list[ContentDelta], event: str) -> None:
    """F93, F94, D7: never an end_turn that nobody said."""
    assert Playbook().feed(*deltas).finish().message["error"]["message"] == CUT_SHORT
    Playbook().feed(*deltas).skip().finish().expect(event)


NOTHING: list[tuple[str, list[ContentDelta], tuple[int, str, str]]] = [
    ("no chunk at all", [], (529, "overloaded_error", CUT_SHORT)),
    ("only usage", [ReportedUsage(1, 1)], (529, "overloaded_error", CUT_SHORT)),
    ("only the end mark", [Done()], (502, "api_error", "Backend returned an empty stream")),
]


@pytest.mark.parametrize(("deltas", "said"), [n[1:] for n in NOTHING], ids=[n[0] for n in NOTHING])
def test_end_without_anything_is_raised(
    deltas: list[ContentDelta], said: tuple[int, str, str]
) -> None:
    """D7, G17: llama-cpp-python observed refusing so."""
    with pytest.raises(ApiError) as caught:
        Playbook().feed(*deltas).finish()
    error = caught.value
    assert (error.status, error.type, error.message) == said
    assert error.blames_backend
