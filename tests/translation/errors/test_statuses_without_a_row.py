"""Statuses without a row in the table of backend errors, and an overflow in the vendor's words."""

from __future__ import annotations

import pytest

from bridge.translation.errors.from_backend import ErrorContext, from_reply


@pytest.mark.parametrize("status", [418, 423, 431, 451])
def test_client_errors_never_count_for_the_breaker(status: int) -> None:
    """E2, breaker policy: 4xx never count."""
    error = from_reply(status, {}, b'{"error": {"message": "no"}}', ErrorContext())
    assert (error.status, error.blames_backend) == (502, False)


def test_overflow_in_the_vendors_words_keeps_its_numbers() -> None:
    """Claude Code matches the whole line, so nothing may stand in front of it."""
    told = b'{"error": {"message": "prompt is too long: 9000 tokens > 4096 maximum"}}'
    error = from_reply(400, {}, told, ErrorContext())
    assert error.message == "prompt is too long: 9000 tokens > 4096 maximum"
