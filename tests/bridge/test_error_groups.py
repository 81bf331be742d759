"""Which errors are counted as one: messages without their numbers, ids and names."""

from __future__ import annotations

import json

import pytest

from bridge.error_groups import WIDTH, error_group, folded
from bridge.ledger.record import Record
from bridge.ledger.rows import UsageRow, row_of

FOLDED = (
    ("prompt is too long: 210345 tokens > 131072", "prompt is too long: # tokens > #"),
    ("messages.4.content.10: `tool_use` ids were found", "messages.#.content.#: … ids were found"),
    ("request req_7Hx0 to http://10.0.0.7:8000/v1 failed", "request # to … failed"),
    ("1,234 of 5.06, 50:1", "# of #, #"),
    ("The client's body isn't 'JSON', it's \"text\"", "The client's body isn't …, it's …"),
    ("the backend answered: “Modell ‘x’ fehlt”", "the backend answered: …"),
    ("The end is cut off: 'unclosed 17", "The end is cut off: …"),
    ("  two\n lines\t here ", "two lines here"),
    ("max_tokens: expected a whole number", "max_tokens: expected a whole number"),
    ("", ""),
)  # fmt: skip


@pytest.mark.parametrize(("message", "expected"), FOLDED)
def test_numbers_ids_and_quoted_names_are_folded(message: str, expected: str) -> None:
    assert folded(message) == expected


def test_names_of_the_request_are_folded_where_they_stand_alone() -> None:
    """A client chooses them, so that each would be an error of its own."""
    names = ("typo", "claude-typo")
    assert folded("model: typo\nAvailable models: deep, test/a", names) == (
        "model: … Available models: …"
    )
    assert folded("claude-typo is not typographic", names) == "… is not typographic"


def test_messages_that_differ_in_numbers_are_one_group() -> None:
    told = (400, "invalid_request_error", "prompt is too long: {} tokens")
    groups = {error_group(*told[:2], told[2].format(count)) for count in (1, 20, 3_000)}
    assert len(groups) == 1
    (group,) = groups
    assert len(group) == 16 and int(group, 16)


def test_status_type_and_words_tell_groups_apart() -> None:
    of_rows = {
        error_group(status, kind, message)
        for status in (500, 502)
        for kind in ("api_error", "overloaded_error")
        for message in ("no memory", "no answer")
    }
    assert len(of_rows) == 8


@pytest.mark.parametrize("status", [0, 200, 399, 499])
def test_request_that_did_not_go_wrong_has_no_group(status: int) -> None:
    assert error_group(status, "", "a message") == ""


def test_row_has_the_message_and_its_group() -> None:
    row, other = map(_row, ("typo", "another"))
    assert (row.error, other.error) == ("model: typo", "model: another")
    assert row.error_group == other.error_group != ""
    assert "typo" not in json.loads(row.detail)


def _row(name: str) -> UsageRow:
    return row_of(
        Record(
            request_id="req_1",
            asked_model=name,
            status=404,
            error_type="not_found_error",
            error=f"model: {name}",
        )
    )


@pytest.mark.parametrize("piece", ["'", "`", "a'", "1.", "-", "http://", "Available models: "])
def test_hostile_messages_are_cut(piece: str) -> None:
    """Clients choose the words: quotes that never close, one long word, only digits."""
    assert len(folded(piece * 300)) <= WIDTH
