"""How long a backend asks to be left alone, wherever it says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.errors.from_backend import ErrorContext, from_reply
from bridge.translation.errors.waiting import of_body, of_headers

RETRY_AFTER: list[tuple[str, int | None]] = [
    ("7", 7),
    (" 7 ", 7),
    ("1.2", 2),
    ("17s", 17),
    ("0", 0),
    ("86400", 86400),
    ("999999999", 7 * 86400),
    ("", None),
    ("-1", None),
    ("soon", None),
    ("Wed, 21 Oct 2026 07:28:00 GMT", None),
]


@pytest.mark.parametrize(("text", "seconds"), RETRY_AFTER)
def test_f115_delay_is_passed_on_in_whole_seconds(text: str, seconds: int | None) -> None:
    """F115, F116: rounded up; a date has become seconds before it gets here."""
    assert of_headers({"retry-after": text}) == seconds
    reply = from_reply(429, {"retry-after": text}, b"{}", ErrorContext())
    assert (reply.retry_after, reply.rest_seconds) == (seconds, seconds)


MILLISECONDS: list[tuple[str, int | None]] = [
    ("15500", 16),
    ("20", 1),
    ("0", None),
    ("-5", None),
    ("soon", None),
]


@pytest.mark.parametrize(("text", "seconds"), MILLISECONDS)
def test_milliseconds_count_where_no_seconds_are_named(text: str, seconds: int | None) -> None:
    """A12: the SDKs read the same two headers."""
    assert of_headers({"retry-after-ms": text}) == seconds
    assert of_headers({"retry-after-ms": text, "retry-after": "3"}) == 3


LATER = "Rate limit reached on tokens per day: Limit 100000, Used 99000. Please try again in {}."
WORDS: list[tuple[str, int | None]] = [
    (LATER.format("18.5s"), 19),
    (LATER.format("820ms"), 1),
    (LATER.format("1h2m3.5s"), 3724),
    (LATER.format("7m12s"), 432),
    ("Please retry after 5 seconds", 5),
    ("Please wait 2 minutes before trying again.", 120),
    ("Retry in 34.07s", 35),
    ("Please try again later", None),
    ("try again in 0s", None),
    ("wait for " + "9" * 5000, None),
    ("nothing", None),
]


@pytest.mark.parametrize(("text", "seconds"), WORDS, ids=[w[0][-40:] for w in WORDS])
def test_delay_in_words_is_one_for_the_client_alone(text: str, seconds: int | None) -> None:
    """Groq and OpenAI; the model rests for nobody else, since a text may quote a request."""
    body = json.dumps({"error": {"message": text}}).encode()
    reply = from_reply(429, {}, body, ErrorContext())
    assert (reply.retry_after, reply.rest_seconds) == (seconds, None)


DEEP: Any = {"retry_after": 5}
for _ in range(50):
    DEEP = {"error": DEEP}
MEMBERS: list[tuple[str, Any, int | None]] = [
    ("Gemini", [{"error": {"details": [{"@type": "x"}, {"retryDelay": "34s"}]}}], 34),
    ("a number", {"error": {"retry_after": 21}}, 21),
    ("junk", {"error": {"retry_after": "soon"}}, None),
    ("a negative number", {"error": {"retry_after": -5}}, None),
    ("true", {"retry_after": True}, None),
    ("too deep", DEEP, None),
    ("none", {"error": {"message": "x"}}, None),
]


@pytest.mark.parametrize(("body", "seconds"), [m[1:] for m in MEMBERS], ids=[m[0] for m in MEMBERS])
def test_delay_is_found_among_the_members(body: Any, seconds: int | None) -> None:
    """Gemini, and servers that know no headers."""
    assert of_body(body, "") == seconds


def test_header_goes_before_words() -> None:
    """H5: passed on true."""
    body = json.dumps({"error": {"message": LATER.format("9s")}}).encode()
    assert from_reply(429, {"retry-after": "3"}, body, ErrorContext()).retry_after == 3
