"""Every case of tests/cases/: chunks in, message out, however the network cuts them."""

from __future__ import annotations

import json

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode
from bridge.translation.response.events import Event, frames
from bridge.translation.response.fold import fold
from tests.grammar import check_stream
from tests.shapes import CUT, Json, check_error, check_message
from tests.translation.playbook import briefs
from tests.translation.transcripts import (
    Outcome,
    Transcript,
    error_members,
    load,
    plain_message,
    replay,
)

FAMILIES = (
    "generic",
    "vllm",
    "sglang",
    "llamacpp",
    "ollama",
    "openrouter",
    "deepseek",
    "mistral",
    "traces",
)
MADE_UP = [t for t in load(*FAMILIES) if "trace" not in t.case]
RECORDED = [t for t in load("traces")]
SIZES = [0, 1, 7]
SIZE_NAMES = ["whole", "byte by byte", "in 7-byte pieces"]


@pytest.mark.parametrize("size", SIZES, ids=SIZE_NAMES)
@pytest.mark.parametrize("transcript", MADE_UP, ids=lambda t: t.name)
def test_answer_becomes_what_the_case_says(transcript: Transcript, size: int) -> None:
    """Each file says who demands it. F105: every stream passes the grammar that clients need."""
    _compare(transcript, replay(transcript, size))


@pytest.mark.parametrize("size", SIZES, ids=SIZE_NAMES)
@pytest.mark.parametrize("transcript", RECORDED, ids=lambda t: t.name)
def test_recorded_answer_becomes_a_message_or_a_proper_error(
    transcript: Transcript, size: int
) -> None:
    """Backends observed: exchanges with real servers, stripped of what nobody reads."""
    _compare(transcript, replay(transcript, size))


@pytest.mark.parametrize("transcript", MADE_UP + RECORDED, ids=lambda t: t.name)
def test_pieces_of_the_body_do_not_change_the_events(transcript: Transcript) -> None:
    """Ours: chunk borders fall anywhere, also inside a line or a character."""
    whole, by_byte, by_seven = (_shown(replay(transcript, size)) for size in SIZES)
    assert whole == by_byte == by_seven


@pytest.mark.parametrize("folder", FAMILIES)
def test_family_has_cases(folder: str) -> None:
    """Ours: a moved folder must not pass for a green one."""
    assert list(load(folder))


def _shown(outcome: Outcome) -> tuple[bytes, str]:
    return frames(outcome.events), str(outcome.raised)


def _compare(transcript: Transcript, outcome: Outcome) -> None:
    case = transcript.case
    if "error" in case:
        _compare_error(case["error"], outcome.raised)
        return
    assert outcome.raised is None
    if "events" in case:
        assert briefs(outcome.events) == case["events"]
    checked = check_stream(frames(outcome.events))
    if "broken" in case:
        assert checked["error"] == case["broken"]
    else:
        assert plain_message(checked) == transcript.message
        _compare_plain(checked, outcome.events)


def _compare_error(expected: Json, error: ApiError | None) -> None:
    assert error is not None
    assert error_members(error) == expected
    check_error(error.envelope("req_1"))


def _compare_plain(streamed: Json, events: list[Event]) -> None:
    """The plain answer is the folded stream; only cut arguments look different."""
    plain = check_message(json.loads(encode(fold(events))))
    if streamed["stop_reason"] in CUT:
        streamed = streamed | {"content": _without_inputs(streamed)}
        plain = plain | {"content": _without_inputs(plain)}
    assert plain == streamed


def _without_inputs(message: Json) -> list[Json]:
    return [
        {name: value for name, value in block.items() if name != "input"}
        for block in message["content"]
    ]
