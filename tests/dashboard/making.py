"""Rows of the ledger for tests: requests as the writer would have entered them, and their sums."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bridge.error_groups import error_group
from bridge.ledger import upsert
from bridge.ledger.rollups import attempt_hours, hours, sessions
from bridge.ledger.sums import kept as kept_sums
from bridge.models import (
    ApiKey,
    AttemptHour,
    Backend,
    BreakerState,
    DiscoveredModel,
    UsageHour,
    UsageRecord,
    UsageSession,
)

NOW = datetime(2025, 3, 20, 14, 23, 45, tzinfo=UTC)
"""A Thursday afternoon, ten days before the clocks change in Europe."""
FORWARDED = "a1b2c3d4e5f6"
CODER, SMALL, LARGE = "qwen3-coder-30b", "gpt-oss-20b", "deepseek-v3.1"
ALIASES = {CODER: "claude-sonnet-*", SMALL: "*haiku*", LARGE: "claude-opus-*"}
BACKENDS = {CODER: "main", SMALL: "main", LARGE: "spare"}
PRICES = {CODER: (300, 1200, 30), LARGE: (550, 2200, 140)}
"""Billionths of a dollar for a token: input, output, read from cache. SMALL has no price."""


def record(at: datetime, number: int, **told: Any) -> UsageRecord:
    """One request that was answered, unless told otherwise. Not saved."""
    values: dict[str, Any] = {
        "request_id": f"req_{number:012}",
        "key_id": 1,
        "key": "ci",
        "model": CODER,
        "backend": "main",
        "alias": "claude-sonnet-*",
        "asked_model": "claude-sonnet-4-5",
        "status": 200,
        "attempts": 1,
        "streamed": True,
        "input_tokens": 1000,
        "output_tokens": 200,
        "cache_read_tokens": 3000,
        "cost_nano_usd": 630_000,
        "prompt_bytes": 16_000,
        "repeated_bytes": 14_000,
        "translated_ms": 20,
        "headers_ms": 90,
        "first_token_ms": 400,
        "duration_ms": 4400,
        "stop_reason": "end_turn",
    }
    values |= told
    error = values["status"], values.get("error_type", ""), values.get("error", "")
    names = values["asked_model"], values["model"]
    return UsageRecord(time=at, **{"error_group": error_group(*error, names), **values})


def enter(rows: Iterable[UsageRecord]) -> list[UsageRecord]:
    """Save requests together with the sums of their hours and sessions."""
    made = UsageRecord.objects.bulk_create(rows, batch_size=500)
    by_hour = hours(made)
    UsageHour.objects.bulk_create(
        (
            UsageHour(**dict(zip(UsageHour.UNIQUE, group, strict=True)), **h.columns, **h.amounts)
            for group, h in by_hour.items()
        ),
        batch_size=200,
    )
    kept_sums.write(by_hour)
    attempts = [
        {**dict(zip(AttemptHour.UNIQUE, group, strict=True)), **amounts}
        for group, amounts in attempt_hours(made).items()
    ]
    upsert.merge(
        AttemptHour, AttemptHour.UNIQUE, dict.fromkeys(AttemptHour.COUNTED, upsert.ADD), attempts
    )
    _enter_sessions(made)
    return made


def _enter_sessions(rows: list[UsageRecord]) -> None:
    found: dict[tuple[Any, ...], UsageSession] = {}
    for (name, key_id, fingerprint, model), told in sessions(rows).items():
        row = found.get((name, key_id, fingerprint))
        if row is None:
            row = UsageSession(
                session=name,
                key_id=key_id,
                fingerprint=fingerprint,
                model_lines="\n",
                **told.columns,
            )
            found[(name, key_id, fingerprint)] = row
        row.model_lines += f"{model}\n"
        row.first_at, row.last_at = min(row.first_at, told.first_at), max(row.last_at, told.last_at)
        row.largest_context = max(row.largest_context, told.largest_context)
        for column, amount in told.amounts.items():
            setattr(row, column, getattr(row, column) + amount)
    UsageSession.objects.bulk_create(found.values(), batch_size=200)


# --- a plausible month ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """Who uses the gateway, and how. `cache`: how much of what repeats the backend remembers."""

    key_id: int
    fingerprint: str
    key: str
    models: tuple[str, ...]
    weight: int
    cache: float


PEOPLE = (
    Person(1, "", "ci", (SMALL, CODER), 4, 0.0),
    Person(2, "", "maria", (CODER, LARGE, SMALL), 9, 0.9),
    Person(3, "", "batch-summaries-of-the-night", (SMALL,), 6, 0.1),
    Person(4, "", "former-intern", (CODER,), 2, 0.85),
    Person(0, FORWARDED, f"key-{FORWARDED}", (LARGE,), 3, 0.8),
)
"""Number 4 has no row any more: a key that was deleted."""


def issue_keys() -> None:
    rows = [ApiKey(pk=one.key_id, name=one.key) for one in PEOPLE if one.key_id in (1, 2, 3)]
    for row in rows:
        row.mint()
    ApiKey.objects.bulk_create(rows)


def month(count: int, now: datetime = NOW, days: int = 60, seed: int = 7) -> Iterator[UsageRecord]:
    """So many requests over the days before `now`, mostly at office hours, in sessions of turns."""
    chance = random.Random(seed)
    number = 0
    while number < count:
        person = chance.choices(PEOPLE, [p.weight for p in PEOPLE])[0]
        at = _start(chance, now, days)
        turns = min(chance.randint(1, 40), count - number)
        yield from _conversation(chance, person, at, turns, number, now)
        number += turns


def _start(chance: random.Random, now: datetime, days: int) -> datetime:
    ago = timedelta(days=days * chance.random() ** 1.3)
    at = now - ago
    hour = min(23, max(0, round(chance.gauss(13, 3.5))))
    at = at.replace(hour=hour, minute=chance.randrange(60), second=chance.randrange(60))
    return at if at < now else now - timedelta(minutes=chance.randrange(1, 240))


def _conversation(
    chance: random.Random, person: Person, at: datetime, turns: int, number: int, now: datetime
) -> Iterator[UsageRecord]:
    model = chance.choice(person.models)
    session = f"session-{number:08}" if turns > 3 else ""
    prompt = chance.randint(2_000, 20_000)
    for turn in range(turns):
        repeated = prompt if turn else 0
        prompt += chance.randint(200, 3_000)
        row = _turn(chance, person, model, prompt, repeated)
        yield record(min(at, now), number + turn, session=session, **row)
        at += timedelta(seconds=row["duration_ms"] / 1000 + chance.uniform(2, 60))


_FAULTS: tuple[tuple[float, dict[str, Any]], ...] = (
    (0.955, {}),
    (0.012, {"status": 529, "error_type": "overloaded_error"}),
    (0.006, {"status": 500, "error_type": "api_error"}),
    (0.012, {"status": 400, "error_type": "invalid_request_error"}),
    (0.005, {"status": 429, "error_type": "rate_limit_error"}),
    (0.010, {"status": 499}),
)


def _turn(
    chance: random.Random, person: Person, model: str, prompt: int, repeated: int
) -> dict[str, Any]:
    fault = chance.choices([f for _, f in _FAULTS], [w for w, _ in _FAULTS])[0]
    refused = 400 <= fault.get("status", 200) < 499
    cached = round(repeated * person.cache * chance.uniform(0.9, 1))
    output = 0 if fault else chance.randint(30, 1800)
    fresh = 0 if refused else prompt - cached
    wait = round((fresh * 0.12 + 180) * chance.lognormvariate(0, 0.4))
    rate = {CODER: 90, SMALL: 140, LARGE: 45}[model]
    prices = PRICES.get(model)
    cost = None
    if prices and not refused:
        cost = fresh * prices[0] + output * prices[1] + cached * prices[2]
    return {
        "key_id": person.key_id,
        "fingerprint": person.fingerprint,
        "key": person.key,
        "model": model,
        "backend": BACKENDS[model],
        "alias": ALIASES[model],
        "client": "claude-cli/2.0.14",
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_tokens": 0 if refused else cached,
        "cost_nano_usd": cost,
        "prompt_bytes": prompt * 4,
        "repeated_bytes": repeated * 4,
        "repairs": int(chance.random() < 0.03),
        "attempts": 0 if refused else 1 + (chance.random() < 0.02),
        "first_token_ms": None if fault else wait,
        "duration_ms": wait + round(output / rate * 1000),
        "stop_reason": "" if fault else chance.choice(("end_turn", "tool_use", "tool_use")),
        **fault,
    }


# --- what else there is ---------------------------------------------------------------------------

EVIDENCE = [
    {"check": "call", "title": "Tool call", "works": True, "evidence": "get_weather in Lisbon"},
    {"check": "image", "title": "Picture", "works": False, "evidence": "Answered with status 500"},
    {"check": "off", "title": "Thinking off", "works": None, "evidence": "No thinking was seen"},
]


def make_backends() -> tuple[Backend, Backend]:
    main = Backend.objects.create(name="main", url="http://main.example.com/v1")
    spare = Backend.objects.create(name="spare", url="http://spare.example.com/v1", position=1)
    BreakerState.objects.create(
        backend=spare,
        failures=6,
        opened_at=NOW - timedelta(seconds=10),
        last_error="The backend answered with status 503",
        last_error_at=NOW - timedelta(seconds=10),
    )
    DiscoveredModel.objects.create(
        backend=main,
        name=CODER,
        context=262_144,
        vision=True,
        probed={"tools": True, "vision": False},
        evidence=EVIDENCE,
        probed_at=NOW - timedelta(days=1),
    )
    DiscoveredModel.objects.create(backend=spare, name=LARGE, context=163_840)
    return main, spare
