"""Spans of records: which there are, how they hang together, and what they tell."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.attempts import BROKEN, UNREACHABLE, AttemptRecord
from bridge.ledger.record import Record
from bridge.tracing.context import RemoteParent, SpanIds
from bridge.tracing.request_spans import FinishedSpan, SpanKind, spans_of
from bridge.tracing.request_trace import RequestTrace
from tests.bridge.making import a_backend

IDS = SpanIds(0xA, 0xB, is_sampled=True)


class Finished:
    """Takes what is over, and counts it."""

    def __init__(self) -> None:
        self.count = 0

    def take(self, record: Record, trace: RequestTrace) -> None:
        self.count += 1


def a_record(**fields: Any) -> Record:
    known: dict[str, Any] = {
        "asked_model": "claude",
        "backend": "main",
        "model": "test/alpha",
        "path": "/v1/messages",
        "status": 200,
        "attempts": 1,
        "stop_reason": "end_turn",
        "auth_after": 0.01,
        "translated_after": 0.02,
        "headers_after": 0.1,
        "first_token_after": 0.2,
        "seconds": 0.5,
    }
    return Record("req_1", **known | fields)


def a_trace(record: Record, *attempts: float, **fields: Any) -> RequestTrace:
    """With attempts that began so many seconds after the request."""
    now = [record.clock]
    trace = RequestTrace(IDS, lambda: now[0], Finished(), **fields)
    for after in attempts:
        now[0] = record.clock + after
        trace.begin_attempt(a_backend(url=f"http://host-{after:g}.example/v1"))
    return trace


def spans(record: Record, trace: RequestTrace) -> dict[str, FinishedSpan]:
    return {span.name: span for span in spans_of(record, trace)}


def test_steps_lie_where_the_record_has_them() -> None:
    record = a_record(streamed=True)
    trace = a_trace(record, 0.03)
    trace.routed_at, trace.answered_at = record.clock + 0.02, record.clock + 0.4
    found = {
        name: (round(span.begin, 3), round(span.end, 3))
        for name, span in spans(record, trace).items()
    }
    assert found == {
        "chat claude": (0.0, 0.5),
        "authenticate": (0.0, 0.01),
        "translate": (0.01, 0.02),
        "chat test/alpha": (0.03, 0.4),
        "wait for headers": (0.03, 0.1),
        "wait for first token": (0.1, 0.2),
        "stream": (0.2, 0.4),
    }


def test_stream_never_begins_before_the_headers() -> None:
    """An attempt has its headers in whole milliseconds, the request its first token in tenths."""
    record = a_record(streamed=True, headers_after=0.0026, first_token_after=0.0027)
    trace = a_trace(record, 0.0)
    trace.answered_at = record.clock + 0.01
    found = spans(record, trace)
    waiting, stream = found["wait for first token"], found["stream"]
    assert found["wait for headers"].end == waiting.begin <= waiting.end == stream.begin
    assert stream.begin <= stream.end


def test_whole_prompt_is_input_and_the_server_is_named() -> None:
    """gen_ai.usage.input_tokens includes what came from a cache; ports are those of the scheme."""
    record = a_record(input_tokens=3, cache_read_tokens=40, output_tokens=5, cost_nano_usd=250)
    found = spans(record, a_trace(record, 0.03))
    request, attempt = found["chat claude"].attributes, found["chat test/alpha"].attributes
    for attributes in (request, attempt):
        assert attributes["gen_ai.usage.input_tokens"] == 43
        assert attributes["gen_ai.usage.cache_read.input_tokens"] == 40
        assert attributes["gen_ai.response.model"] == "test/alpha"
    assert request["claude_bridge.cost_usd"] == 2.5e-7
    assert (attempt["server.address"], attempt["server.port"]) == ("host-0.03.example", 80)


def test_attempts_that_failed_say_how() -> None:
    record = a_record(attempts=2)
    record.attempt_list = [
        AttemptRecord("spare", "test/beta", UNREACHABLE, text="no text", began_ms=30, took_ms=20),
        AttemptRecord("main", "test/alpha", BROKEN, 200, began_ms=60, headers_ms=40, took_ms=400),
    ]
    found = [span for span in spans_of(record, a_trace(record, 0.03, 0.06)) if span.above == IDS]
    first, second = (span for span in found if span.kind is SpanKind.CLIENT)
    assert (first.attributes["error.type"], second.attributes["error.type"]) == (
        "unreachable",
        "broken",
    )
    assert first.has_failed and second.has_failed
    assert "http.response.status_code" not in first.attributes
    assert second.attributes["http.response.status_code"] == 200
    assert "no text" not in str(found)


@pytest.mark.parametrize(
    ("status", "head", "told", "failed"),
    [(200, 200, 200, False), (429, 0, 429, False), (503, 0, 503, True), (502, 200, 200, True)],
)
def test_status_of_a_server(status: int, head: int, told: int, failed: bool) -> None:
    """HTTP conventions: 4xx is no failure of a server; the status is what the client got."""
    record = a_record(status=status, error_type="" if status == 200 else "some_error")
    trace = a_trace(record, 0.03)
    trace.head_status = head
    span = spans(record, trace)["chat claude"]
    assert (span.attributes["http.response.status_code"], span.has_failed) == (told, failed)
    assert span.attributes.get("error.type") == (None if status == 200 else "some_error")


def test_client_that_left_is_no_failure() -> None:
    record = a_record(status=499, stop_reason="")
    span = spans(record, a_trace(record, 0.03))["chat claude"]
    assert (span.attributes["error.type"], span.has_failed) == ("client_left", False)
    assert "http.response.status_code" not in span.attributes


def test_name_of_a_model_that_nobody_knows_names_no_span() -> None:
    """Clients make such names up, and each one would be a series for good."""
    record = a_record(backend="", model="", attempts=0, status=404)
    (request, *_) = spans_of(record, a_trace(record))
    assert request.name == "chat"
    assert request.attributes["gen_ai.request.model"] == "claude"


def test_judge_is_a_request_below_the_judged_one() -> None:
    record = a_record()
    trace = a_trace(record, 0.03)
    of_judge = trace.for_judge()
    assert trace.for_judge().above == of_judge.above
    found = spans(record, trace)
    judged = a_record(asked_model="judge", status=429, auth_after=None)
    below = spans(judged, of_judge)["chat judge"]
    assert found["judge"].above == IDS
    assert (below.above, below.kind) == (found["judge"].ids, SpanKind.INTERNAL)
    assert below.has_failed, "to whom it calls, a refusal is a failure"
    assert "http.request.method" not in below.attributes


def test_client_is_the_parent_and_what_is_not_sampled_is_left_out() -> None:
    record = a_record()
    parent = RemoteParent(SpanIds(0xA, 0xC, is_sampled=True))
    assert spans(record, a_trace(record, 0.03, parent=parent))["chat claude"].above == parent.ids
    finished = Finished()
    for is_sampled in (True, False):
        ids = SpanIds(1, 2, is_sampled)
        trace = RequestTrace(ids, lambda: 0.0, finished)
        trace.finish(record)
        assert trace.trace_id == (f"{1:032x}" if is_sampled else "")
    assert finished.count == 1
