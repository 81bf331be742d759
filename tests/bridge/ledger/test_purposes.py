"""What requests were for: on the record, in rows, in hourly sums, and nothing of a conversation."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from bridge.ledger.audit import audit
from bridge.ledger.record import MAX_TOOL_NAME, MAX_TOOLS, PURPOSE, WIDTHS, Record
from bridge.ledger.rows import MOST_MILLISECONDS, row_of
from bridge.ledger.writer import enter
from bridge.models import UsageHour, UsageRecord
from bridge.models.usage import OTHER_CLASS
from bridge.translation.request.purpose import REQUEST_CLASSES, RequestPurpose

PLAN = RequestPurpose(
    request_class="subagent",
    agent_type="Plan",
    agent_id="a1",
    parent_agent_id="a0",
    prompt_id="6f0c",
    compaction="auto",
    compacted="manual",
    tool_milliseconds={"Bash": 742, "Read": 9},
)


class Kept:
    """A spool that keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def append(self, line: bytes) -> None:
        self.lines.append(line)


def spooled(record: Record) -> Record:
    """The record as it is read from its line."""
    kept = Kept()
    record.write(kept)
    (line,) = kept.lines
    return msgspec.json.decode(line, type=Record)


def a_record(number: int = 1, purpose: RequestPurpose = PLAN, **fields: Any) -> Record:
    record = Record(f"req_{number}", status=200, started_at=1_700_000_000.0, **fields)
    record.serves(purpose)
    return record


def test_a_record_has_every_member_of_a_purpose() -> None:
    assert {*PURPOSE, "tool_milliseconds"} == {*RequestPurpose.__dataclass_fields__}
    read = spooled(a_record())
    assert {name: getattr(read, name) for name in PURPOSE} == {
        name: getattr(PLAN, name) for name in PURPOSE
    }
    assert read.tool_milliseconds == {"Bash": 742, "Read": 9}


def test_a_request_that_says_nothing_adds_nothing_to_its_line() -> None:
    kept = Kept()
    a_record(purpose=RequestPurpose()).write(kept)
    assert not {*PURPOSE, "tool_milliseconds"} & {*json.loads(kept.lines[0])}


def test_a_line_without_these_members_is_still_read() -> None:
    """A spool file may be older than the process that reads it."""
    read = msgspec.json.decode(b'{"request_id":"req_1","started_at":1.5}', type=Record)
    row = row_of(read)
    assert [getattr(row, name) for name in PURPOSE] == [""] * len(PURPOSE)
    assert row.tool_milliseconds == "{}"


@pytest.mark.django_db
def test_a_row_has_them_in_columns() -> None:
    enter([a_record()])
    row = UsageRecord.objects.get()
    assert {name: getattr(row, name) for name in PURPOSE} == {
        name: getattr(PLAN, name) for name in PURPOSE
    }
    assert row.tool_milliseconds == {"Bash": 742, "Read": 9}


def test_of_tools_only_some_names_and_numbers_are_kept() -> None:
    many = {f"{number:03}" + "x" * 300: 10**18 for number in range(100)}
    read = spooled(a_record(purpose=RequestPurpose(tool_milliseconds=many)))
    assert len(read.tool_milliseconds) == MAX_TOOLS
    assert {len(name) for name in read.tool_milliseconds} == {MAX_TOOL_NAME}
    assert {*json.loads(row_of(read).tool_milliseconds).values()} == {MOST_MILLISECONDS}


KEY = "cpk_9f8e7d6c5b4a.0123456789abcdef"


@pytest.mark.parametrize("name", PURPOSE)
def test_a_key_in_the_place_of_a_name_is_not_kept(name: str) -> None:
    given: dict[str, Any] = {name: KEY}
    read = spooled(a_record(purpose=RequestPurpose(**given)))
    assert getattr(read, name) == "[redacted]"


def test_a_key_in_the_place_of_a_tool_is_not_kept() -> None:
    read = spooled(a_record(purpose=RequestPurpose(tool_milliseconds={KEY: 5, "Bash": 7})))
    assert read.tool_milliseconds == {"[redacted]": 5, "Bash": 7}


HOSTILE = "\x00\x1b[2J\u202e<script>" + "x" * 300


def test_what_no_database_takes_is_taken_out_and_the_rest_is_cut() -> None:
    chosen: dict[str, Any] = dict.fromkeys(PURPOSE, HOSTILE)
    tools: Mapping[str, int] = {"\x00\x1bBash": -5}
    row = row_of(spooled(a_record(purpose=RequestPurpose(**chosen, tool_milliseconds=tools))))
    for name in PURPOSE:
        text = getattr(row, name)
        assert len(text) == WIDTHS[name]
        assert "\x00" not in text and "\x1b" not in text
    assert json.loads(row.tool_milliseconds) == {"  Bash": 0}


# --- sums ---------------------------------------------------------------------------------------


def of_class(request_class: str) -> RequestPurpose:
    return RequestPurpose(request_class=request_class)


@pytest.mark.django_db
def test_every_class_has_sums_of_its_own_that_add_up_to_all() -> None:
    classes = (*REQUEST_CLASSES, "", "main")
    enter([a_record(n, of_class(name), output_tokens=n) for n, name in enumerate(classes, 1)])
    sums = dict(UsageHour.objects.values_list("request_class", "output_tokens"))
    assert sums == {
        "main": 1 + 7,
        "subagent": 2,
        "workflow": 3,
        "compaction": 4,
        "auxiliary": 5,
        "": 6,
    }
    assert sum(sums.values()) == sum(UsageRecord.objects.values_list("output_tokens", flat=True))
    assert audit().differences == []
    UsageHour.objects.filter(request_class="subagent").update(output_tokens=3)
    UsageHour.objects.filter(request_class="workflow").update(output_tokens=2)
    found = [one for one in audit().differences if "its rows" in one]
    assert len(found) == 2, "the same in all, in another class"


@pytest.mark.django_db
def test_a_client_cannot_choose_how_many_sums_there_are() -> None:
    """A class of tomorrow stays on the row, and shares one sum with all others that are new."""
    enter([a_record(number, of_class(f"class-{number}")) for number in range(50)])
    assert list(UsageHour.objects.values_list("request_class", "requests")) == [(OTHER_CLASS, 50)]
    assert UsageRecord.objects.filter(request_class="class-7").count() == 1
    assert audit().differences == []
