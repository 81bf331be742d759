"""One request explained: where its time went, how it found its backend, what was changed."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from bridge.models import UsageRecord, UsageSession
from dashboard.display import formatting
from dashboard.display.call_verdicts import judged_calls
from dashboard.display.cards import Card
from dashboard.display.formatting import NOTHING, Figure
from dashboard.display.purposes import class_name
from dashboard.display.request.attempts import attempt_lines, ending, route_steps
from dashboard.display.request.explanations import STOPS, explained
from dashboard.display.request.samples import sample
from dashboard.display.request.timing import WIDTH, Timing, timing
from dashboard.pages.access import for_readers
from dashboard.pages.page import Frame, page
from dashboard.queries import requests
from dashboard.queries.judging import judges_of
from dashboard.queries.keys import KnownKeys
from dashboard.tables.row_columns import outcome
from dashboard.tables.session_tables import requests_of
from dashboard.views.finding.find import nothing


@require_safe
@for_readers
def one(request: HttpRequest, request_id: str) -> HttpResponse:
    """Nine queries at most, with the three of the login."""
    frame = Frame(request, comparing=False)
    row = requests.one(request_id) if "\x00" not in request_id else None
    if row is None:
        return nothing(request, frame, request_id)
    session = requests.session_of(row)
    owner = KnownKeys.read().owner(row.key_id, row.fingerprint, row.key)
    judges = judges_of(row)
    made = row.attempts_made()
    return page(
        request,
        "request",
        frame,
        row=row,
        owner=owner,
        outcome=outcome(row),
        cards=request_cards(row),
        timing=request_timing(row),
        bar_width=WIDTH,
        ending=ending(row),
        attempts=attempt_lines(made),
        route=list(route_steps(row, made)),
        changes=explained(row.detail),
        stop=STOPS.get(row.stop_reason, ""),
        error=row.error,
        cause=row.detail.get("cause", ""),
        sample=sample(row.detail.get("sample")),
        session=session,
        verdicts=judged_calls(row.detail.get("verdicts")),
        judges=judges,
        judges_cost=_judges_cost(judges),
        purpose=purpose(frame, row, session),
        facts=facts(row),
        links=_links(frame, row, owner.slug),
        trace_id=row.detail.get("trace_id", ""),
    )


def request_timing(row: UsageRecord) -> Timing:
    """Where its time went."""
    earlier = sum(attempt.took_ms for attempt in row.attempts_made() if attempt.fell_back)
    return timing(_moments(row), row.duration_ms, earlier)


def _moments(row: UsageRecord) -> dict[str, float | None]:
    names = ("auth_after", "translated_after", "connected_after", "headers_after")
    found: dict[str, float | None] = {name: row.detail.get(name) for name in names}
    first = row.first_token_ms
    return found | {"first_token_after": None if first is None else first / 1000}


# --- numbers --------------------------------------------------------------------------------------


def request_cards(row: UsageRecord) -> list[Card]:
    return [_time(row), _tokens(row), _cost(row), _cached(row)]


def _time(row: UsageRecord) -> Card:
    parts: list[tuple[str, Figure]] = []
    if row.first_token_ms is not None:
        parts.append(("first token", formatting.duration(row.first_token_ms)))
        rest = row.duration_ms - row.first_token_ms
        if row.output_tokens > 1 and rest > 0:
            parts.append(("then", formatting.rate(row.output_tokens / rest * 1000)))
    return Card("Time", formatting.duration(row.duration_ms), tuple(parts))


def _tokens(row: UsageRecord) -> Card:
    prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
    parts = [
        ("prompt", formatting.tokens(prompt)),
        ("answer", formatting.tokens(row.output_tokens)),
    ]
    if row.thinking_tokens:
        parts.append(("of it thinking", formatting.tokens(row.thinking_tokens)))
    hint = "counted by us: the backend reported no usage" if row.estimated and prompt else ""
    return Card("Tokens", formatting.tokens(prompt + row.output_tokens), tuple(parts), hint=hint)


def _cost(row: UsageRecord) -> Card:
    if not (row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens):
        return Card("Cost", formatting.money(row.cost_nano_usd or 0), hint="no tokens, no cost")
    if row.cost_nano_usd is None:
        return Card("Cost", NOTHING, hint="no price is known for this model")
    return Card("Cost", formatting.money(row.cost_nano_usd))


def _judges_cost(judges: list[UsageRecord]) -> str:
    """What judging took in all: tokens, and money where prices are known."""
    tokens = sum(j.input_tokens + j.cache_read_tokens + j.output_tokens for j in judges)
    costs = [j.cost_nano_usd for j in judges if j.cost_nano_usd is not None]
    money = f", {formatting.money(sum(costs)).text}" if costs else ""
    return f"{formatting.tokens(tokens).text} tokens{money}"


def _cached(row: UsageRecord) -> Card:
    prompt = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens
    share = formatting.share(row.cache_read_tokens / prompt) if prompt else NOTHING
    parts = []
    if row.prompt_bytes:
        repeated = row.repeated_bytes / row.prompt_bytes
        parts.append(("repeated from the turn before", formatting.share(repeated)))
    if row.tools_added:
        parts.append(("tools added since then", formatting.count(row.tools_added)))
    return Card("Read from cache", share, tuple(parts))


# --- the rest -------------------------------------------------------------------------------------


def facts(row: UsageRecord) -> list[tuple[str, str]]:
    """What there is to know beside, without what says nothing."""
    tools = row.detail.get("tools") or ()
    facts = (
        ("Client", row.client),
        ("Asked", f"{row.detail.get('path', '')} {'streamed' if row.streamed else 'whole'}"),
        ("Tools called", ", ".join(tools)),
        ("Prompt sent", formatting.size(row.prompt_bytes).text if row.prompt_bytes else ""),
    )
    return [(title, text.strip()) for title, text in facts if text.strip()]


def purpose(
    frame: Frame, row: UsageRecord, session: UsageSession | None
) -> list[tuple[str, str, str]]:
    """What the request was for: title, text, and the address of all requests that share it."""
    to_requests = requests_of(frame, session)
    agent = f"{row.agent_type or 'sub-agent'} {row.agent_id}" if row.agent_id else row.agent_type
    times = row.tool_milliseconds.items()
    ran = ", ".join(f"{name} {formatting.duration(ms).text}" for name, ms in times)
    found = (
        ("For", class_name(row.request_class) if row.request_class else "", ""),
        ("Agent", agent, to_requests(agent_id=row.agent_id)),
        ("Started by agent", row.parent_agent_id, to_requests(agent_id=row.parent_agent_id)),
        ("Prompt of the user", row.prompt_id, to_requests(prompt_id=row.prompt_id)),
        ("Summarises", f"a compaction ({row.compaction})" if row.compaction else "", ""),
        ("Context before it", f"was compacted ({row.compacted})" if row.compacted else "", ""),
        ("Tools ran before", ran, ""),
    )
    return [line for line in found if line[1]]


def _links(frame: Frame, row: UsageRecord, slug: str) -> dict[str, str]:
    return {
        "every": frame.to("requests"),
        "key": frame.to("key", slug),
        "model": frame.to("model", row.model) if row.model else "",
        "parent": frame.to("request", row.parent_id) if row.parent_id else "",
        "trace": settings.TRACE_URL.replace("{trace_id}", row.detail.get("trace_id", "")),
    }
