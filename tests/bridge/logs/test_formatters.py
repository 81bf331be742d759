"""Both forms of the log: the same facts, one line each, whatever text is in them."""

import io
import json
import logging
import re
import sys
from typing import Any

import pytest

from bridge.ledger.record import Record
from bridge.logs.formatters import INDENT, ConsoleFormatter, JsonFormatter
from bridge.logs.request_line import RequestEntry

HOSTILE = (
    "m\n2026-11-29 10:00:00.000 INFO    200 forged",
    "m\r\x1b[2J\x1b]0;title\x07",
    "m\u2028next\u2029next\x85next\x0bnext\x0cnext\x1cnext\x9b2J",
    "m\u202egpj.exe\u2066\u200f",
    "m\x7f\x00",
    '","request":{"status":200},"x":"',
    '"  key admin  200',
    "gpt 200  key admin  1 in, 1 out",
)
"""Names that clients and models choose: new lines, escapes of a terminal, ends of a string."""
LINE_STARTS = re.compile(r"(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [A-Z]+ ")
CONTROL = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def an_entry(**members: Any) -> RequestEntry:
    facts = {
        "key": "ada",
        "asked_model": "claude-sonnet-5",
        "backend": "main",
        "model": "zai-org/GLM-4.6",
        "status": 200,
    }
    return RequestEntry(Record("req_1", "", "/v1/messages", **{**facts, **members}))


def written(formatter: logging.Formatter, *messages: Any, error: bool = False) -> str:
    """What stands in a log that is given these messages."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    for message in messages:
        trace = sys.exc_info() if error else None
        record = logging.LogRecord("bridge.x", logging.INFO, "", 0, message, (), trace)
        handler.handle(record)
    return stream.getvalue()


# --- what it tells -------------------------------------------------------------------------------


def test_person_reads_what_became_of_a_request() -> None:
    entry = an_entry(
        team="lab",
        input_tokens=200,
        cache_read_tokens=1000,
        output_tokens=33,
        estimated=False,
        cost_nano_usd=3_400_000,
        first_token_after=0.41,
        seconds=1.834,
        stop_reason="end_turn",
    )
    line = written(ConsoleFormatter(), entry)
    assert LINE_STARTS.match(line)
    assert line.partition("INFO")[2] == (
        "    200 claude-sonnet-5 -> main/zai-org/GLM-4.6  key ada of lab  1200 in (1000 cached), "
        "33 out  0.003400 USD  1.83 s (first 0.41 s)  end_turn  req_1\n"
    )


def test_person_reads_why_a_request_failed() -> None:
    entry = an_entry(
        status=502, attempts=2, error_type="api_error", error='no "answer"', cause="refused"
    )
    line = written(ConsoleFormatter(), entry)
    assert " 502 claude-sonnet-5 -> main/zai-org/GLM-4.6  key ada  ~0 in, ~0 out  no price" in line
    assert '  2 tries  api_error: "no \\"answer\\"" ("refused")  req_1\n' in line


def test_request_that_came_to_no_backend_is_told_by_what_was_asked() -> None:
    early = an_entry(key="", asked_model="", backend="", status=401, error_type="x", error="no key")
    assert ' 401 /v1/messages  0.00 s  x: "no key"  req_1' in written(ConsoleFormatter(), early)
    left = written(ConsoleFormatter(), an_entry(status=499))
    assert "  the client left  req_1" in left


def test_program_reads_the_same_and_more() -> None:
    """One object a line; the request as it is on record."""
    line = json.loads(written(JsonFormatter(), an_entry(seconds=1.5)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "bridge.x",
        "message": "answered",
        "request": {
            "request_id": "req_1",
            "path": "/v1/messages",
            "key": "ada",
            "asked_model": "claude-sonnet-5",
            "backend": "main",
            "model": "zai-org/GLM-4.6",
            "status": 200,
            "seconds": 1.5,
            "started_at": line["request"]["started_at"],
        },
    }


def test_colours_are_for_a_terminal() -> None:
    coloured = written(ConsoleFormatter(colours=True), an_entry(), an_entry(status=500))
    green, red = coloured.splitlines()
    assert ("\x1b[32mINFO" in green, "\x1b[31mINFO" in red) == (True, True)
    assert "\x1b" not in written(ConsoleFormatter(), an_entry(), an_entry(status=500))


# --- hostile text --------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_forges_a_line_or_moves_a_cursor(text: str) -> None:
    entries = [
        an_entry(asked_model=text),
        an_entry(model=text, status=502, error_type="api_error", error=text, cause=text),
        text,
    ]
    for formatter in (ConsoleFormatter(), JsonFormatter()):
        log = written(formatter, *entries)
        assert len(log.splitlines()) == log.count("\n") == len(entries)
        assert not CONTROL.search(log)
    shown = written(ConsoleFormatter(), entries[0])
    assert shown.count("  key ") - text.count("  key ") == 1
    for line in written(JsonFormatter(), *entries[:2]).splitlines():
        assert set(json.loads(line)) == {"time", "level", "logger", "message", "request"}


def test_half_a_character_breaks_no_line() -> None:
    """No file can hold it as it is; records of requests never have one."""
    console, document = (written(form(), "m\ud800") for form in (ConsoleFormatter, JsonFormatter))
    assert console.endswith(": m\\ud800\n")
    assert json.loads(document)["message"] == "m\ud800"


def test_name_with_a_space_stands_in_quotes() -> None:
    assert ' 200 "gpt 200  key admin" -> main/' in written(
        ConsoleFormatter(), an_entry(asked_model="gpt 200  key admin")
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_exception_forges_a_line(text: str) -> None:
    """A traceback ends with the words of whoever caused it."""
    try:
        raise ValueError(text)
    except ValueError:
        console = written(ConsoleFormatter(), "it failed", error=True)
        document = written(JsonFormatter(), "it failed", error=True)
    first, *others = console.splitlines()
    assert first.endswith("bridge.x: it failed")
    assert others
    assert all(line.startswith(INDENT) for line in others)
    assert len(LINE_STARTS.findall(console)) == 1
    (line,) = document.splitlines()
    assert "ValueError" in json.loads(line)["traceback"]
    assert not CONTROL.search(console + document)
