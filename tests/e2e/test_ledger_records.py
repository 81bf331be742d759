"""What became of a request: each leaves exactly one row, and the row says how it went."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import starting
from tests.e2e.acts import ACTS, SMALL, Stage
from tests.fakes import books
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.issuing import issue

ALIASES: list[dict[str, Any]] = [
    {"pattern": "claude-*", "targets": [{"backend": "main", "model": ALPHA}]},
    {
        "pattern": "fast",
        "targets": [
            {"backend": "main", "model": ALPHA},
            {"backend": "spare", "model": ALPHA, "position": 1},
        ],
    },
]
TIMES = ("auth_after", "translated_after", "connected_after", "headers_after")


@pytest.fixture(scope="module", params=["serve", "uvicorn"])
def played(
    request: pytest.FixtureRequest,
    session_backend: FakeBackend,
    session_spare: FakeBackend,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, int | None], list[books.Row]]]:
    """The statuses that clients saw, by name, and all rows when everything is over."""
    main, spare = session_backend, session_spare
    with starting(main, tmp_path_factory) as start:
        gateway = start(request.param, MAX_BODY_BYTES="20000", BREAKER_FAILURES="100")
        other = {"name": "spare", "url": f"{spare.base_url}/v1", "position": 1}
        prices = [{"model": ALPHA, "input_per_mtok": "1", "output_per_mtok": "5"}]
        gateway.configure(backends=[other], aliases=ALIASES, prices=prices)
        stage = Stage(gateway, main, spare, issue(gateway, team={})["team"])
        statuses: dict[str, int | None] = {}
        for name, play in ACTS.items():
            main.reset()
            spare.reset()
            statuses[name] = play(stage, name)
        rows = books.wait_for_rows(gateway, len(ACTS) - 1)
        books.check(gateway)
        yield statuses, rows
    main.reset()
    spare.reset()


Played = tuple[dict[str, int | None], list[books.Row]]
BEFORE: dict[str, Any] = {"attempts": 0, "input_tokens": 0, "output_tokens": 0, "backend": ""}
"""No backend was asked."""
TEAM: dict[str, Any] = {"key": "team", "key_id": 1, "fingerprint": ""}
NOBODY: dict[str, Any] = {"key": "", "key_id": 0, "fingerprint": "", **BEFORE}
HERE: dict[str, Any] = {
    **TEAM,
    "asked_model": "claude-sonnet-5",
    "alias": "claude-*",
    "backend": "main",
    "model": ALPHA,
    "attempts": 1,
    "route": ["alias claude-* fits", f"goes to main: {ALPHA}"],
}
USED: dict[str, Any] = {
    "input_tokens": 40,
    "cache_read_tokens": 60,
    "cache_write_tokens": 0,
    "output_tokens": 20,
    "thinking_tokens": 7,
    "estimated": 0,
    "cost_nano_usd": (40 + 60) * 1000 + 20 * 5000,
    "stop_reason": "end_turn",
    "error": "",
}
"""GOOD at the prices of ALPHA."""
FAST = [
    "alias fast fits",
    f"goes to main: {ALPHA}, then spare: {ALPHA}",
    "main: Backend error: boom",
]
CUT = "Backend closed the stream before finishing"


def error(kind: str, message: str) -> dict[str, Any]:
    return {"error_type": kind, "error": message, "stop_reason": ""}


INVALID, UNKNOWN = "invalid_request_error", "authentication_error"
EXPECTED: dict[str, tuple[int | None, int, dict[str, Any]]] = {
    "answered": (200, 200, HERE | USED | {"streamed": 0, "dropped": ["top_k", "metadata"]}),
    "streamed": (200, 200, HERE | USED | {"streamed": 1, "client": "probe/1"}),
    "abandoned": (
        None,
        499,
        {**TEAM, "attempts": 1, "estimated": 1, "streamed": 1, "model": ALPHA},
    ),
    "left_at_once": (None, 499, {**TEAM, "attempts": 1, "estimated": 1, "model": ALPHA}),
    "bad_key": (401, 401, NOBODY | error(UNKNOWN, "Invalid API key")),
    "no_key": (401, 401, {**NOBODY, "error_type": UNKNOWN}),
    "vendor_key": (401, 401, {**BEFORE, "key_id": 0, "error_type": UNKNOWN}),
    "bad_request": (
        *(400, 400),
        TEAM | BEFORE | error(INVALID, "max_tokens: Input should be greater than or equal to 0"),
    ),
    "no_json": (400, 400, TEAM | BEFORE | error(INVALID, "Request body is not valid JSON")),
    "too_large": (413, 413, TEAM | BEFORE | {"error_type": "request_too_large"}),
    "strange_encoding": (400, 400, TEAM | BEFORE | {"error_type": INVALID}),
    "unknown_model": (
        *(404, 404),
        TEAM | BEFORE | {"asked_model": "nobody/knows", "error_type": "not_found_error"},
    ),
    "failed": (500, 500, HERE | error("api_error", "Backend error: boom") | {"output_tokens": 0}),
    "cut": (200, 502, HERE | error("api_error", CUT) | {"estimated": 1}),
    "cut_in_plain": (502, 502, HERE | error("api_error", CUT) | {"estimated": 1}),
    "overloaded": (200, 529, HERE | {"error_type": "overloaded_error", "estimated": 1}),
    "retried": (200, 200, HERE | USED | {"attempts": 2, "remedies": ["retried 429"]}),
    "refused_field": (
        *(200, 200),
        {"attempts": 2, "refused": ["stream_options"], "remedies": ["without stream_options"]},
    ),
    "fallback": (200, 200, USED | {"backend": "spare", "alias": "fast", "route": FAST}),
    "fallback_in_vain": (
        *(429, 429),
        {"backend": "spare", "attempts": 2, "route": FAST, "error": "not now"},
    ),
    "clamped": (200, 200, {"model": SMALL, "alias": "", "cost_nano_usd": None}),
    "repaired": (
        *(200, 200),
        HERE | {"repairs": 1, "repaired": ["arguments of Bash"], "tools": ["Bash"]},
    ),
    "warmed_up": (200, 200, HERE | {"attempts": 0, "input_tokens": 0, "stop_reason": "max_tokens"}),
}
"""Act -> status that the client saw, status in the row, what else the row says."""


@pytest.mark.parametrize("name", EXPECTED)
def test_request_leaves_one_row_that_says_how_it_went(played: Played, name: str) -> None:
    """docs, What is recorded. Every request that was made is in EXPECTED, but for counting."""
    statuses, rows = played
    (row,) = (row for row in rows if row["session"] == name)
    seen, status, wanted = EXPECTED[name]
    assert (statuses[name], row["status"]) == (seen, status)
    assert {member: row.get(member) for member in wanted} == wanted
    assert {*EXPECTED} == {*ACTS} - {"counted"}


@pytest.mark.parametrize("name", ["abandoned", "cut", "cut_in_plain", "overloaded"])
def test_answer_that_was_not_finished_counts_as_far_as_it_went(played: Played, name: str) -> None:
    """Ours: somebody will have to pay for it. As estimated, since no backend reported it."""
    (row,) = (row for row in played[1] if row["session"] == name)
    assert 5 <= row["input_tokens"] <= 60
    assert 1 <= row["output_tokens"] <= 10
    assert row["cost_nano_usd"] == row["input_tokens"] * 1000 + row["output_tokens"] * 5000


def test_tokens_that_are_only_counted_are_no_request(played: Played) -> None:
    """docs: count_tokens is free, and no message."""
    statuses, rows = played
    assert statuses["counted"] == 200
    assert [row for row in rows if row["session"] == "counted"] == []


@pytest.mark.parametrize("name", EXPECTED)
def test_times_are_in_their_order(played: Played, name: str) -> None:
    """docs: key checked, translated, connected, headers, first token, all of it."""
    (row,) = (row for row in played[1] if row["session"] == name)
    times = [row.get(name) for name in TIMES]
    known = [round(time * 1000) for time in times if time is not None]
    if row["first_token_ms"] is not None:
        assert None not in times
        known.append(row["first_token_ms"])
    known.append(row["duration_ms"])
    assert known == sorted(known)


def test_clamped_limit_is_told(played: Played) -> None:
    (row,) = (row for row in played[1] if row["session"] == "clamped")
    (told,) = row["clamped"]
    assert re.fullmatch(r"max_tokens 100000 to \d{4}", told)
