"""The grammar checker is known to fail: every defect of a stream, one by one."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.grammar import check_stream
from tests.shapes import GrammarError

Json = dict[str, Any]
USAGE = {
    "input_tokens": 11,
    "output_tokens": 2,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
}
START: Json = {
    "type": "message_start",
    "message": {
        "id": "msg_0123456789abcdefghijklmn",
        "type": "message",
        "role": "assistant",
        "model": "test/alpha",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
    },
}
PING: Json = {"type": "ping"}
STOP: Json = {"type": "message_stop"}
ERROR: Json = {
    "type": "error",
    "error": {"type": "overloaded_error", "message": "busy"},
    "request_id": "req_0123456789abcdefghijklmn",
}
TEXT: Json = {"type": "text", "text": ""}
THINKING: Json = {"type": "thinking", "thinking": "", "signature": ""}
TOOL: Json = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}


def opens(index: int, block: Json) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def adds(index: int, kind: str, **piece: Any) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **piece}}


def closes(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def ends(reason: str | None, sequence: str | None = None, **more: Any) -> Json:
    delta = {"stop_reason": reason, "stop_sequence": sequence, **more}
    return {"type": "message_delta", "delta": delta, "usage": USAGE}


def whole() -> list[Json]:
    """A stream with every kind of block."""
    events = [
        START,
        PING,
        opens(0, THINKING),
        adds(0, "thinking_delta", thinking="hm"),
        adds(0, "signature_delta", signature="gw1.x"),
        closes(0),
        opens(1, TEXT),
        adds(1, "text_delta", text="He"),
        PING,
        adds(1, "text_delta", text="llo"),
        closes(1),
        opens(2, TOOL),
        adds(2, "input_json_delta", partial_json='{"a":'),
        adds(2, "input_json_delta", partial_json="1}"),
        closes(2),
        ends("tool_use"),
        PING,
        STOP,
    ]
    return copy.deepcopy(events)


def small(*blocks: Json, reason: str = "end_turn") -> list[Json]:
    return [START, *blocks, ends(reason), STOP]


def frame(event: Json) -> bytes:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode()


def test_whole_stream_folds_into_its_message() -> None:
    """Ours: the checker returns what clients end up with."""
    message = check_stream(b"".join(frame(event) for event in whole()))
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "gw1.x"},
        {"type": "text", "text": "Hello"},
        {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"a": 1}},
    ]
    assert message["stop_reason"] == "tool_use"
    assert message["usage"] == USAGE


def test_events_may_come_as_pairs_dicts_or_bytes() -> None:
    """Ours: unit tests hold events, end-to-end tests hold bytes."""
    events = whole()
    expected = check_stream(events)
    assert check_stream([(event["type"], event) for event in events]) == expected
    assert check_stream(b"".join(map(frame, events))) == expected


@pytest.mark.parametrize(
    "events",
    [
        small(opens(0, TEXT), closes(0)),
        small(reason="max_tokens"),
        [START, ends("stop_sequence", "END") | {}, STOP][:1]
        + [opens(0, TEXT), closes(0), ends("stop_sequence", "END"), STOP],
        [START, opens(0, TEXT), closes(0), ends("refusal", stop_details={"type": "refusal"}), STOP],
        small(opens(0, TEXT | {"citations": None}), closes(0)),
    ],
    ids=["empty text", "nothing was generated", "stop sequence", "refusal", "null citations"],
)
def test_rare_but_legal_stream_passes(events: list[Json]) -> None:
    """API documentation: all of these occur."""
    assert check_stream(events)["type"] == "message"


def test_cut_arguments_are_kept_as_text() -> None:
    """API documentation: max_tokens may end an answer inside a tool call."""
    call = [opens(0, TOOL), adds(0, "input_json_delta", partial_json='{"a": "x'), closes(0)]
    message = check_stream(small(*call, reason="max_tokens"))
    assert message["content"][0]["input"] == '{"a": "x'


def test_failed_stream_yields_its_error() -> None:
    """API documentation: an error event ends a stream wherever it stands, blocks left open."""
    assert check_stream([START, opens(0, TEXT), ERROR]) == ERROR
    assert check_stream([START, ERROR]) == ERROR


def without(*path: Any) -> Callable[[list[Json]], None]:
    """Remove one member somewhere in the stream."""

    def remove(events: list[Json]) -> None:
        target: Any = events
        for step in path[:-1]:
            target = target[step]
        del target[path[-1]]

    return remove


def put(value: Any, *path: Any) -> Callable[[list[Json]], None]:
    """Replace one member somewhere in the stream."""

    def replace(events: list[Json]) -> None:
        target: Any = events
        for step in path[:-1]:
            target = target[step]
        target[path[-1]] = value

    return replace


def insert(place: int, *extra: Json) -> Callable[[list[Json]], None]:
    def add(events: list[Json]) -> None:
        events[place:place] = extra

    return add


DEFECTS: list[tuple[str, Callable[[list[Json]], None]]] = [
    ("no message_start", without(0)),
    ("ping before message_start", insert(0, PING)),
    ("two message_start", insert(1, START)),
    ("start without id", without(0, "message", "id")),
    ("start with a foreign id", put("chatcmpl-1", 0, "message", "id")),
    ("start without model", put("", 0, "message", "model")),
    ("start with null content", put(None, 0, "message", "content")),
    ("start without stop_reason", without(0, "message", "stop_reason")),
    ("start as user", put("user", 0, "message", "role")),
    ("start without usage", without(0, "message", "usage")),
    ("start with three counts", put({"input_tokens": 1}, 0, "message", "usage")),
    ("ping with content", put({"type": "ping", "x": 1}, 1)),
    ("index from one", put(1, 2, "index")),
    ("gap in indexes", put(5, 6, "index")),
    ("repeated index", put(0, 6, "index")),
    ("block inside a block", insert(3, opens(1, TEXT))),
    ("delta without a block", insert(6, adds(0, "text_delta", text="x"))),
    ("delta for another block", put(0, 7, "index")),
    ("stop for another block", put(0, 10, "index")),
    ("stop twice", insert(6, closes(0))),
    ("no block stop", without(10)),
    ("unknown block", put({"type": "image"}, 6, "content_block")),
    ("text block without text", put({"type": "text"}, 6, "content_block")),
    ("text inside the block start", put("lost", 6, "content_block", "text")),
    ("thinking block without signature", without(2, "content_block", "signature")),
    ("input inside the block start", put({"a": 1}, 11, "content_block", "input")),
    ("text delta in thinking", put("text_delta", 3, "delta", "type")),
    ("thinking delta in text", put("thinking_delta", 7, "delta", "type")),
    ("arguments in text", put("input_json_delta", 7, "delta", "type")),
    ("unknown delta", put("citations_delta", 7, "delta", "type")),
    ("delta without its piece", without(7, "delta", "text")),
    ("delta with a null piece", put(None, 7, "delta", "text")),
    ("thinking without signature delta", without(4)),
    ("empty signature", put("", 4, "delta", "signature")),
    ("two signatures", insert(5, adds(0, "signature_delta", signature="gw1.y"))),
    ("thinking after the signature", insert(5, adds(0, "thinking_delta", thinking="x"))),
    ("tool without id", put(None, 11, "content_block", "id")),
    ("tool with a strange id", put("functions.Bash:0", 11, "content_block", "id")),
    ("tool without name", put("", 11, "content_block", "name")),
    ("broken arguments", without(13)),
    (
        "arguments that are a list",
        put([adds(2, "input_json_delta", partial_json="[1]")], slice(12, 14)),
    ),
    ("two argument documents", put("1}{}", 13, "delta", "partial_json")),
    ("no message_delta", without(15)),
    ("two message_delta", insert(16, ends("tool_use"))),
    ("message_delta inside a block", insert(14, ends("tool_use"))),
    ("block after message_delta", insert(16, opens(3, TEXT), closes(3))),
    ("null stop_reason", put(None, 15, "delta", "stop_reason")),
    ("unknown stop_reason", put("stop", 15, "delta", "stop_reason")),
    ("pause_turn", put("pause_turn", 15, "delta", "stop_reason")),
    ("end_turn with a tool call", put("end_turn", 15, "delta", "stop_reason")),
    ("no stop_sequence", without(15, "delta", "stop_sequence")),
    ("stop_sequence with tool_use", put("END", 15, "delta", "stop_sequence")),
    ("refusal without details", put("refusal", 15, "delta", "stop_reason")),
    ("message_delta without usage", without(15, "usage")),
    ("a count is missing", put({"output_tokens": 2}, 15, "usage")),
    ("a count is null", put(USAGE | {"input_tokens": None}, 15, "usage")),
    ("a count is negative", put(USAGE | {"input_tokens": -1}, 15, "usage")),
    ("a count is a float", put(USAGE | {"input_tokens": 1.0}, 15, "usage")),
    ("a count is a boolean", put(USAGE | {"input_tokens": True}, 15, "usage")),
    ("no message_stop", without(17)),
    ("two message_stop", insert(18, STOP)),
    ("ping after message_stop", insert(18, PING)),
    ("error after message_stop", insert(18, ERROR)),
    ("message_stop after an error", insert(17, ERROR)),
    ("unknown event", insert(1, {"type": "completion"})),
    ("error without a request id", put(ERROR | {"request_id": None}, 17)),
    ("error of no known type", put(ERROR | {"error": {"type": "x", "message": "m"}}, 17)),
    ("error without a message", put(ERROR | {"error": {"type": "api_error"}}, 17)),
]


@pytest.mark.parametrize(
    "spoil", [spoil for _, spoil in DEFECTS], ids=[name for name, _ in DEFECTS]
)
def test_defect_is_found(spoil: Callable[[list[Json]], None]) -> None:
    """Observed clients: each of these loses content or raises in at least one of them."""
    events = whole()
    check_stream(events)
    spoil(events)
    with pytest.raises(GrammarError):
        check_stream(events)


def test_tool_id_used_twice_is_found() -> None:
    """Observed client: a repeated id leaves its call unrun."""
    call = [adds(0, "input_json_delta", partial_json="{}"), closes(0)]
    again = [opens(1, TOOL), adds(1, "input_json_delta", partial_json="{}"), closes(1)]
    with pytest.raises(GrammarError, match="twice"):
        check_stream(small(opens(0, TOOL), *call, *again, reason="tool_use"))


def test_tool_use_without_a_call_is_found() -> None:
    """Observed client: asks the same again."""
    with pytest.raises(GrammarError, match="without a tool call"):
        check_stream(small(opens(0, TEXT), closes(0), reason="tool_use"))


def test_message_without_blocks_is_found() -> None:
    """Ours: an empty answer is one empty text block."""
    with pytest.raises(GrammarError, match="empty message"):
        check_stream(small())
