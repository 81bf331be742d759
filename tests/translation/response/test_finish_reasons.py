"""Why an answer ended: reasons that no table knows, and routers that call every end a stop."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.response.deltas import BackendFault, Delta, Finish
from bridge.translation.response.dialects.finish_reasons import read_reason

UNKNOWN: list[tuple[str, Delta]] = [
    ("guardrail_intervened", Finish("content_filter")),
    ("MODEL_ARMOR", Finish("content_filter")),
    ("content_policy_violation", Finish("content_filter")),
    ("output_limit_reached", Finish("length")),
    ("MAX_TOKENS_REACHED", Finish("length")),
    ("context_length", Finish("context_window")),
    ("COMPLETE", Finish("COMPLETE")),
    ("whatever", Finish("whatever")),
]


@pytest.mark.parametrize(("reason", "delta"), UNKNOWN)
def test_unknown_reason_is_read_by_what_it_speaks_of(reason: str, delta: Delta) -> None:
    """A8: a new reason of a server is none of the model's own."""
    assert read_reason({"finish_reason": reason}) == [delta]


FAILED: list[tuple[str, int]] = [
    ("engine_error", 0),
    ("upstream_failure", 0),
    ("MALFORMED_RESPONSE", 0),
    ("MISSING_THOUGHT_SIGNATURE", 0),
    ("preempted", 529),
    ("server_overloaded", 529),
    ("client_disconnected", 503),
    ("rate_limited", 429),
]


@pytest.mark.parametrize(("reason", "status"), FAILED)
def test_reason_that_speaks_of_a_failure_is_an_error(reason: str, status: int) -> None:
    """A8: a stream that failed does not end as a good answer."""
    message = f"generation ended with '{reason}'"
    fault = BackendFault(status, {"error": {"message": message}})
    assert read_reason({"finish_reason": reason}) == [fault]


MALFORMED = {"error": {"message": "generation ended with 'MALFORMED_FUNCTION_CALL'"}}
NATIVE: list[tuple[str, str, Any, Delta]] = [
    ("a length", "stop", "max_tokens", Finish("length")),
    ("a length behind calls", "tool_calls", "MAX_TOKENS", Finish("length")),
    ("a failure", "stop", "MALFORMED_FUNCTION_CALL", BackendFault(0, MALFORMED)),
    ("the same", "stop", "end_turn", Finish("stop")),
    ("an unknown one", "stop", "whatever", Finish("stop")),
    ("none", "stop", None, Finish("stop")),
    ("a filter, which the router knows", "content_filter", "max_tokens", Finish("content_filter")),
]


@pytest.mark.parametrize(
    ("reason", "native", "delta"), [n[1:] for n in NATIVE], ids=[n[0] for n in NATIVE]
)
def test_router_tells_in_another_field_how_the_answer_really_ended(
    reason: str, native: Any, delta: Delta
) -> None:
    """go-openrouter#43: some models end with a stop whose native reason is another."""
    choice = {"finish_reason": reason, "native_finish_reason": native}
    assert read_reason(choice) == [delta]
