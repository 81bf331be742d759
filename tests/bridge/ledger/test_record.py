"""The usage record: complete, and without a word of the conversation."""

import json
import logging

import msgspec
import pytest

from bridge.attempts import SERVER_ERROR
from bridge.ledger.record import CHOSEN, LISTS, MAX_WORDS, WIDTHS, Record
from bridge.ledger.spool_file import MAX_LINE
from bridge.logs.request_line import RequestEntry
from bridge.models import UsageRecord
from bridge.translation.response import events

SHORT_LINE = 12_000
"""Longest line of a request for people: names and an error of escapes alone."""


def documents(caplog: pytest.LogCaptureFixture) -> list[bytes]:
    """What a log for programs has of each request."""
    entries = [record.msg for record in caplog.records]
    return [entry.document() for entry in entries if isinstance(entry, RequestEntry)]


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
    with caplog.at_level(logging.INFO, "bridge.requests"):
        record.write()
    (line,) = [json.loads(document) for document in documents(caplog)]
    assert (line["request_id"], line["status"], line["key"]) == ("req_1", 200, "team")
    assert (line["input_tokens"], line["output_tokens"]) == (1, 2)
    assert "error_type" not in line
    assert not [name for name in line if name.startswith("_")]


def test_quiet_log_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    record = a_record()
    with caplog.at_level(logging.WARNING, "bridge.requests"):
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
    with caplog.at_level(level, "bridge.requests"):
        record.write(kept)
    (line,) = kept.lines
    assert documents(caplog) == ([line] if level == logging.INFO else [])
    assert b"\n" not in line
    read = msgspec.json.decode(line, type=Record)
    assert (read.request_id, read.key, len(read.error)) == ("req_1", "team", WIDTHS["error"])
    assert read.started_at == record.started_at


def test_key_in_the_place_of_a_name_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    """Clients are set up wrongly: the key as the model, or in the name of the program."""
    kept, record = Kept(), a_record()
    key = "cpk_9f8e7d6c5b4a.0123456789abcdef"
    for name in CHOSEN:
        setattr(record, name, f"a {key}")
    record.route = (f"no backend lists {key}",)
    with caplog.at_level(logging.INFO, "bridge.requests"):
        record.write(kept)
    assert "9f8e7d6c5b4a" not in kept.lines[0].decode() + caplog.text
    read = msgspec.json.decode(kept.lines[0], type=Record)
    assert {getattr(read, name) for name in CHOSEN} == {"a [redacted]"}


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
    line = b'{"request_id":"req_2","status":502,"attempts":2,"backend":"main","model":"a"}'
    read = msgspec.json.decode(line, type=Record)
    (last,) = read.attempts_made()
    assert (last.backend, last.kind, last.status) == ("main", SERVER_ERROR, 502)
    attempt = b'{"backend":"a","model":"b","kind":"of_tomorrow"}'
    line = b'{"request_id":"req_3","attempts":1,"attempt_list":[%s]}' % attempt
    read = msgspec.json.decode(line, type=Record)
    assert [a.kind for a in read.attempts_made()] == ["of_tomorrow"]


def test_log_has_no_sample(caplog: pytest.LogCaptureFixture) -> None:
    """docs, usage: no text of a conversation. The spool has it, where an operator asked for it."""
    kept, record = Kept(), a_record()
    record.sample = {"request": "What is it?", "answer": "This.", "cut": False}
    with caplog.at_level(logging.INFO, "bridge.requests"):
        record.write(kept)
    (document,) = documents(caplog)
    assert "What is it?" not in document.decode() + caplog.text
    assert json.loads(document)["seconds"] == record.seconds
    assert b"What is it?" in kept.lines[0]


def test_texts_are_cut_to_what_the_ledger_has_room_for() -> None:
    """Clients and models choose some of them."""
    columns = {field.name: field.max_length for field in UsageRecord._meta.fields}
    known = {name: columns[name] for name in WIDTHS if name in columns}
    assert {name: WIDTHS[name] for name in known} == known
    kept, record = Kept(), a_record()
    for name in WIDTHS:
        setattr(record, name, "\N{SNOWMAN}" * 300_000)
    record.write(kept)
    read = msgspec.json.decode(kept.lines[0], type=Record)
    assert {name: len(getattr(read, name)) for name in WIDTHS} == WIDTHS


@pytest.mark.parametrize("letter", ["x", "\x01", "\N{SNOWMAN}", "\N{GRINNING FACE}"])
def test_no_record_is_too_long_for_the_spool(caplog: pytest.LogCaptureFixture, letter: str) -> None:
    """Evasion: whatever its members hold, and in whatever escapes; in the log as well."""
    kept, record = Kept(), a_record()
    for name in WIDTHS:
        setattr(record, name, letter * 300_000)
    for name in LISTS:
        setattr(record, name, [letter * 300_000] * 2 * MAX_WORDS)
    record.sample = {"request": letter * 100_000, "answer": letter * 100_000, "cut": True}
    record.input_tokens = 7
    with caplog.at_level(logging.INFO, "bridge.requests"):
        record.write(kept)
    (line,) = kept.lines
    assert len(line) <= MAX_LINE
    (document,) = documents(caplog)
    assert len(document) <= MAX_LINE
    assert len(caplog.records[0].getMessage()) <= SHORT_LINE
    assert msgspec.json.decode(line, type=Record).input_tokens == 7
