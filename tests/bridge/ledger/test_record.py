"""The usage record: complete, and without a word of the conversation."""

import json
import logging

import msgspec
import pytest

from bridge.ledger.record import MAX_ERROR, Record
from bridge.translation.response import events


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
    with caplog.at_level(logging.INFO, "bridge.ledger.record"):
        record.write()
    (line,) = [json.loads(entry.getMessage()) for entry in caplog.records]
    assert (line["request_id"], line["status"], line["key"]) == ("req_1", 200, "team")
    assert (line["input_tokens"], line["output_tokens"]) == (1, 2)
    assert "error_type" not in line
    assert not [name for name in line if name.startswith("_")]


def test_quiet_log_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    record = a_record()
    with caplog.at_level(logging.WARNING, "bridge.ledger.record"):
        record.write()
    assert (caplog.records, record.seconds >= 0) == ([], True)


class Kept:
    """A spool that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        self.lines.append(line)


@pytest.mark.parametrize("level", [logging.INFO, logging.WARNING])
def test_spool_gets_the_line_of_the_log_however_quiet_the_log_is(
    caplog: pytest.LogCaptureFixture, level: int
) -> None:
    """design, The ledger: a request appends one line to the spool."""
    kept, record = Kept(), a_record()
    record.error = "x" * 1000
    with caplog.at_level(level, "bridge.ledger.record"):
        record.write(kept)
    (line,) = kept.lines
    assert [entry.getMessage() for entry in caplog.records] == (
        [line.decode()] if level == logging.INFO else []
    )
    assert b"\n" not in line
    read = msgspec.json.decode(line, type=Record)
    assert (read.request_id, read.key, len(read.error)) == ("req_1", "team", MAX_ERROR)
    assert read.started_at == record.started_at


def test_record_is_written_once() -> None:
    """Ours: before the last byte goes out, and again when everything is given back."""
    kept, record = Kept(), a_record()
    record.write(kept)
    record.status = 499
    record.write(kept)
    assert len(kept.lines) == 1


def test_line_of_another_version_is_still_read() -> None:
    """Ours: a spool may be older or newer than the process that reads it."""
    line = b'{"request_id":"req_1","started_at":1.5,"member_of_tomorrow":{"a":1}}'
    read = msgspec.json.decode(line, type=Record)
    assert (read.request_id, read.started_at, read.status) == ("req_1", 1.5, 0)


def test_log_has_no_sample(caplog: pytest.LogCaptureFixture) -> None:
    """docs, usage: no text of a conversation. The spool has it, where an operator asked for it."""
    kept, record = Kept(), a_record()
    record.sample = {"request": "What is it?", "answer": "This.", "cut": False}
    with caplog.at_level(logging.INFO, "bridge.ledger.record"):
        record.write(kept)
    (entry,) = caplog.records
    assert "What is it?" not in entry.getMessage()
    assert json.loads(entry.getMessage())["seconds"] == record.seconds
    assert b"What is it?" in kept.lines[0]
