"""How each event is written: to the byte, as clients were measured to need it."""

from __future__ import annotations

import pytest

from bridge.translation.response import events
from bridge.translation.response.events import PING, Event, frames

USAGE = events.Usage(11, 1)
COUNTS = (
    '"usage":{"input_tokens":11,"output_tokens":1,'
    '"cache_creation_input_tokens":0,"cache_read_input_tokens":0'
)
SHELL = events.Message("msg_1", "m", USAGE)
REFUSED = events.Stop("refusal", None, events.StopDetails())
EDITS = events.ContextManagement()
COUNTED = events.Usage(11, 1, output_tokens_details=events.OutputDetails(3))

WRITTEN: list[tuple[str, Event, str]] = [
    (
        "message_start",
        events.MessageStart(SHELL),
        '"message":{"type":"message","id":"msg_1","model":"m",' + COUNTS + "},"
        '"role":"assistant","content":[],"stop_reason":null,"stop_sequence":null}',
    ),
    (
        "content_block_start",
        events.ContentBlockStart(0, events.TextBlock()),
        '"index":0,"content_block":{"type":"text","text":""}',
    ),
    (
        "content_block_start",
        events.ContentBlockStart(0, events.ThinkingBlock()),
        '"index":0,"content_block":{"type":"thinking","thinking":"","signature":""}',
    ),
    (
        "content_block_start",
        events.ContentBlockStart(2, events.ToolUseBlock("t", "A")),
        '"index":2,"content_block":{"type":"tool_use","id":"t","name":"A","input":{}}',
    ),
    (
        "content_block_delta",
        events.ContentBlockDelta(0, events.TextDelta("\u00e9\u2028\n")),
        '"index":0,"delta":{"type":"text_delta","text":"\u00e9\u2028\\n"}',
    ),
    (
        "content_block_delta",
        events.ContentBlockDelta(0, events.ThinkingDelta("a")),
        '"index":0,"delta":{"type":"thinking_delta","thinking":"a"}',
    ),
    (
        "content_block_delta",
        events.ContentBlockDelta(0, events.SignatureDelta("s")),
        '"index":0,"delta":{"type":"signature_delta","signature":"s"}',
    ),
    (
        "content_block_delta",
        events.ContentBlockDelta(0, events.InputJsonDelta('{"a"')),
        '"index":0,"delta":{"type":"input_json_delta","partial_json":"{\\"a\\""}',
    ),
    ("content_block_stop", events.ContentBlockStop(1), '"index":1'),
    (
        "message_delta",
        events.MessageDelta(events.Stop("stop_sequence", "END"), USAGE),
        '"delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},' + COUNTS + "}",
    ),
    (
        "message_delta",
        events.MessageDelta(REFUSED, COUNTED, EDITS),
        '"delta":{"stop_reason":"refusal","stop_sequence":null,"stop_details":'
        '{"type":"refusal","category":null,"explanation":null}},'
        + COUNTS
        + ',"output_tokens_details":{"thinking_tokens":3}}'
        + ',"context_management":{"applied_edits":[]}',
    ),
    (
        "error",
        events.Error(events.ErrorBody("api_error", "x"), "req_1"),
        '"error":{"type":"api_error","message":"x"},"request_id":"req_1"',
    ),
]


@pytest.mark.parametrize(("name", "event", "members"), WRITTEN, ids=[w[0] for w in WRITTEN])
def test_event_is_written_with_every_member_that_clients_read(
    name: str, event: Event, members: str
) -> None:
    """API documentation, A9; measured against the SDKs and Claude Code."""
    data = f'{{"type":"{name}",{members}}}'
    assert frames([event]).decode() == f"event: {name}\ndata: {data}\n\n"


def test_several_events_stand_one_behind_the_other() -> None:
    """API documentation, A9: a blank line behind each, the last one too."""
    assert PING == b'event: ping\ndata: {"type":"ping"}\n\n'
    stop = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert frames([events.Ping(), events.MessageStop()]) == PING + stop
    assert frames([]) == b""
