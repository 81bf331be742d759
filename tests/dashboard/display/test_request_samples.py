"""Bodies of sampled requests, read for people; broken off ones, too."""

from __future__ import annotations

import json

from dashboard.display.request.samples import Block, sample

EVENTS = (
    {"type": "message_start", "message": {"content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Let me "}},
    {"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "see."}},
    {"type": "content_block_delta", "delta": {"type": "signature_delta", "signature": "gw1.x"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Héllo"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "name": "Bash", "input": {}},
    },
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '{"c'}},
    {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": '":1}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_stop"},
)
LINES = "\n".join(json.dumps(event, ensure_ascii=False) for event in EVENTS)


def test_an_answer_is_told_block_by_block() -> None:
    told = sample({"request": "{}", "answer": LINES, "cut": False})
    assert told is not None and not told.is_cut
    assert told.blocks == (
        Block("thinking", "Let me see."),
        Block("text", "Héllo"),
        Block("Bash", '{"c":1}'),
    )


def test_an_answer_that_was_cut_is_told_as_far_as_it_goes() -> None:
    told = sample({"request": "", "answer": LINES[: LINES.index("Héllo")], "cut": True})
    assert told is not None and told.is_cut
    assert told.blocks[0] == Block("thinking", "Let me see.")
    assert told.blocks[1].kind == "text"


def test_a_request_is_indented_where_it_is_whole() -> None:
    told = sample({"request": '{"model":"ключ"}', "answer": ""})
    assert told is not None and told.request == '{\n "model": "ключ"\n}'
    cut = sample({"request": '{"model":"m', "answer": ""})
    assert cut is not None and cut.request == '{"model":"m'


def test_nothing_kept_is_nothing_to_show() -> None:
    assert sample(None) is None and sample("text") is None
    empty = sample({})
    assert empty is not None and (empty.request, empty.blocks) == ("", ())
