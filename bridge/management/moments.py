"""Moments as options of commands say them."""

from __future__ import annotations

from datetime import UTC, datetime

from django.core.management.base import CommandError


def moment(text: str) -> datetime:
    """A date, or a date with a time; UTC unless it says else. CommandError: neither."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError("--expires: expected a date such as 2027-01-31") from None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
