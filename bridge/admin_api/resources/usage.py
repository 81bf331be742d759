"""What was used: the sums of `manage.py usage`, for scripts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from django.db.models import Q
from msgspec import Meta

from bridge.accounts.roles import AUDITOR
from bridge.admin_api.listing import Limit
from bridge.admin_api.reading import invalid
from bridge.admin_api.resources.budgets import begin_of
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.ledger.report import Line, Span, UnknownNameError, of_key, of_person, of_team, report
from bridge.spans import full_hour, zone_called

By = Literal["key", "person", "team", "model", "class", "session", "day", "hour"]
When = Annotated[str, Meta(description="24h, 7d, 4w, or a date such as 2026-11-01.")]
T = TypeVar("T")
WHOSE: dict[str, Callable[[str], Q]] = {"key": of_key, "person": of_person, "team": of_team}


class UsageQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which sums. `page`: the `next_page` of an answer to the same question."""

    by: By = "key"
    since: When = "7d"
    until: When = ""
    timezone: Annotated[str, Meta(description="In which days begin and end.")] = "UTC"
    key: str = ""
    person: str = ""
    team: str = ""
    limit: Limit = 100
    page: str = ""


class UsageLine(msgspec.Struct, kw_only=True):
    """The sums of one group. Cost in US dollars; requests without a known price are `unpriced`."""

    group: str
    requests: int
    errors: int
    refused: int
    abandoned: int
    unpriced: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    cost_usd: float


class UsagePage(msgspec.Struct, kw_only=True):
    """Sums from a full hour on. `until` is null where nothing ends them."""

    by: By
    since: datetime
    until: datetime | None
    data: list[UsageLine]
    has_more: bool
    next_page: str | None


def _usage(call: ApiCall) -> ApiReply:
    query: UsageQuery = call.query
    zone = _meant("timezone", zone_called, query.timezone)
    since = _meant("since", full_hour, query.since, zone)
    until = _meant("until", full_hour, query.until, zone) if query.until else None
    begin = begin_of(query.page)
    lines = report(query.by, Span(since, until), zone, _whose(query))
    shown = lines[begin : begin + query.limit]
    end = begin + len(shown)
    has_more = end < len(lines)
    return ApiReply(
        UsagePage(
            by=query.by,
            since=since,
            until=until,
            data=[_line(line) for line in shown],
            has_more=has_more,
            next_page=str(end) if has_more else None,
        )
    )


def _whose(query: UsageQuery) -> Q:
    chosen = Q()
    for name, find in WHOSE.items():
        if value := getattr(query, name):
            if name != "key" and query.by == "session":
                raise invalid(name, "sessions are known by their key alone")
            chosen &= _meant(name, find, value)
    return chosen


def _meant(name: str, read: Callable[..., T], *given: Any) -> T:
    """Raises a 400 that names the parameter."""
    try:
        return read(*given)
    except (ValueError, UnknownNameError) as error:
        raise invalid(name, str(error)) from None


def _line(line: Line) -> UsageLine:
    counts = {
        name: line.counts[name] for name in UsageLine.__struct_fields__ if name in line.counts
    }
    return UsageLine(group=line.group, cost_usd=line.cost_usd, **counts)


ROUTES = (
    ApiRoute("GET", "/usage", AUDITOR, "Sum up what was used", _usage, UsagePage, UsageQuery),
)
