"""A request's page: who was asked, what came of it, and how the request ended."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.dashboard import reading
from tests.dashboard.making import CODER, LARGE, NOW, enter, record

pytestmark = pytest.mark.django_db

LIST = reverse("dashboard:requests")


def one(client: Client, number: int = 1) -> reading.Node:
    return reading.page(client.get(f"{LIST}req_{number:012}/", {"tz": "UTC"}))


FELL_BACK = [
    {"backend": "spare", "model": LARGE, "kind": "refused", "status": 404, "began_ms": 3}
    | {"text": "The model `<b>x</b>` does not exist", "headers_ms": 40, "took_ms": 41}
    | {"fell_back": True},
    {"backend": "main", "model": CODER, "kind": "server_error", "status": 502, "began_ms": 50}
    | {"text": "blip", "headers_ms": 9, "took_ms": 10},
    {"backend": "main", "model": CODER, "kind": "answered", "status": 200, "began_ms": 560}
    | {"headers_ms": 70, "took_ms": 3840},
]


def cells(root: reading.Node) -> list[list[str]]:
    """The table of attempts, line by line."""
    body = root.first("section", aria_label="Attempts").first("tbody")
    return [
        [cell.text.replace("\u202f", " ") for cell in line.all("td")] for line in body.all("tr")
    ]


def test_attempts_are_listed_in_order_with_what_each_backend_said(
    auditor: Client, now: None
) -> None:
    route = {"route": ["listed", "goes to spare, then main"]}
    enter([record(NOW, 1, detail=route, attempts=3, attempt_list=FELL_BACK)])
    root = one(auditor)
    words = "The model `<b>x</b>` does not exist"
    assert cells(root) == [
        [
            "1",
            "spare",
            LARGE,
            "answered 404",
            words,
            "3 ms",
            "40 ms",
            "41 ms",
            "fell back",
        ],
        [
            "2",
            "main",
            CODER,
            "answered 502",
            "blip",
            "50 ms",
            "9 ms",
            "10 ms",
            "tried again",
        ],
        ["3", "main", CODER, "answered", "–", "560 ms", "70 ms", "3.8 s", "–"],
    ]
    assert "Answered by" in root.first("dl").text
    steps = root.first("ol", class_="steps").all("li")
    assert steps[-1].text == f"answered by {CODER} on main"


def test_request_that_nobody_answered_says_what_happened(auditor: Client, now: None) -> None:
    """And not that somebody did."""
    told = {"status": 404, "error_type": "not_found_error", "error": "model: x", "attempts": 1}
    nothing = {"input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0}
    listed = [{**FELL_BACK[0], "backend": "main", "fell_back": False}]
    detail = {"route": ["listed", "goes to main"]}
    row = {"first_token_ms": None, "cost_nano_usd": None, "stop_reason": ""}
    enter([record(NOW, 1, attempt_list=listed, detail=detail, **told, **nothing, **row)])
    root = one(auditor)
    facts = root.first("section", aria_label="Who and what").text
    assert "Asked last" in facts and "Answered by" not in facts
    assert root.first("ol", class_="steps").all("li")[-1].text == "main answered 404"
    attempts = root.first("section", aria_label="Attempts").text
    assert "The model `<b>x</b>` does not exist" in attempts
    assert "The client was sent: not_found_error model: x" in attempts
    cost = root.first("section", aria_label="Cost").text
    assert "no tokens, no cost" in cost and "no price is known" not in cost


def test_error_within_a_stream_is_named_as_that(auditor: Client, now: None) -> None:
    """The client had its 200 and some tokens before it."""
    listed = [{"backend": "main", "model": CODER, "kind": "broken", "status": 200, "text": "oops"}]
    told = {"status": 502, "error_type": "api_error", "error": "Backend error: oops"}
    detail = {"head_status": 200, "route": ["listed"]}
    enter([record(NOW, 1, output_tokens=7, attempts=1, attempt_list=listed, detail=detail, **told)])
    root = one(auditor)
    assert root.first("h1").text == "Error within the stream, after 7 tokens and 4.4\u202fs"
    received = root.first("section", aria_label="What the client received").text
    assert "Status 200 and 7 tokens, then this error within the stream:" in received
    assert "Began to answer" in root.first("dl").text
    assert root.first("ol", class_="steps").all("li")[-1].text == "main broke off its answer"


@pytest.mark.parametrize(
    ("fields", "end"),
    [
        ({"status": 200}, "answered by the gateway itself"),
        ({"status": 429}, "ended with 429 before a backend was asked"),
        ({"status": 499}, "the client left before a backend was asked"),
    ],
)
def test_route_without_an_attempt_ends_with_what_happened(
    auditor: Client, now: None, fields: dict[str, int], end: str
) -> None:
    enter([record(NOW, 1, attempts=0, detail={"route": ["listed"]}, **fields)])
    root = one(auditor)
    assert root.first("ol", class_="steps").all("li")[-1].text == end
    assert "Asked last" not in root.first("main").text
