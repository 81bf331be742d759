"""The usage record: complete, and without a word of the conversation."""

import json
import logging

import pytest

from bridge.translation import events
from bridge.usage import Record


def a_record() -> Record:
    return Record("req_1", path="/v1/messages", key="team", asked_model="m")


def test_counts_of_the_answer_are_taken_over() -> None:
    """wire D6: the log records P, C, R, W, T and whether they are estimates."""
    record = a_record()
    usage = events.Usage(10, 20, 3, 4, events.OutputDetails(5))
    record.count(usage, estimated=False)
    assert (record.input_tokens, record.output_tokens) == (10, 20)
    assert (record.cache_write_tokens, record.cache_read_tokens) == (3, 4)
    assert (record.thinking_tokens, record.estimated) == (5, False)


def test_thinking_tokens_stay_unknown_when_not_reported() -> None:
    record = a_record()
    record.count(events.Usage(1, 2), estimated=True)
    assert (record.thinking_tokens, record.estimated) == (None, True)


def test_one_line_is_written_for_a_request(caplog: pytest.LogCaptureFixture) -> None:
    """usage.py: once, at its end, without what is not known."""
    record = a_record()
    record.status = 200
    record.count(events.Usage(1, 2), estimated=True)
    with caplog.at_level(logging.INFO, "bridge.usage"):
        record.write()
    (line,) = [json.loads(entry.getMessage()) for entry in caplog.records]
    assert (line["request_id"], line["status"], line["key"]) == ("req_1", 200, "team")
    assert (line["input_tokens"], line["output_tokens"]) == (1, 2)
    assert "error_type" not in line
    assert not [name for name in line if name.startswith("_")]


def test_quiet_log_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    record = a_record()
    with caplog.at_level(logging.WARNING, "bridge.usage"):
        record.write()
    assert (caplog.records, record.seconds >= 0) == ([], True)
