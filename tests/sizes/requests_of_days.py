"""Records of a few busy days, as the gateway would have written them: what a big ledger is made of.

Each key has sessions at office hours, with one model, its side calls and its sub-agents; a few in a
hundred requests fail, with messages that differ in numbers and names.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from bridge.attempts import ANSWERED, SERVER_ERROR, AttemptRecord
from bridge.ledger.record import CallVerdict, Record
from bridge.translation.safeguards import FLAGGED, NOT_FLAGGED

BACKENDS = ("main", "spare", "cloud", "lab")
MODELS = tuple(f"vendor/model-{number}" for number in range(24))
"""The model with number n is at the backend with number n modulo their count."""
UNPRICED = MODELS[::6]
PEOPLE_A_TEAM = 20
KEYS_A_PERSON = 4
_CLASSES = {"main": 60, "subagent": 20, "auxiliary": 12, "compaction": 2, "": 6}
_FAULTS = (
    (400, "invalid_request_error", "messages.{n}: prompt is too long: {n} tokens > 200000 maximum"),
    (
        400,
        "invalid_request_error",
        "tools.{n}.input_schema: field `{n}` is not known to this model",
    ),
    (401, "authentication_error", "This key expired {n} days ago"),
    (403, "permission_error", "The key may not use model-{n}"),
    (404, "not_found_error", "No model is called model-{n}"),
    (429, "rate_limit_error", "This key may send {n} requests a minute"),
    (499, "", ""),
    (500, "api_error", "The backend broke off its answer after {n} bytes"),
    (502, "api_error", "The backend could not be reached: connection refused, port {n}"),
    (504, "api_error", "The backend did not answer within {n} seconds"),
    (529, "overloaded_error", "The backend is busy, {n} requests wait"),
)
FAULTY = 0.06


@dataclass(frozen=True, slots=True)
class Caller:
    """A key by its number, with the person and the team that follow from it."""

    number: int

    @property
    def person(self) -> int:
        return (self.number - 1) // KEYS_A_PERSON + 1

    @property
    def team(self) -> int:
        return (self.person - 1) // PEOPLE_A_TEAM + 1


def records(start: datetime, days: int, count: int, keys: int) -> Iterator[Record]:
    """So many requests of so many keys, all of them within these days."""
    chance = random.Random(7)
    end, made = start + timedelta(days=days), 0
    while made < count:
        caller = Caller(chance.randrange(keys) + 1)
        at = start + timedelta(days=chance.randrange(days), seconds=_second_of_day(chance))
        for record in _session(chance, caller, at, f"{made:08x}"):
            at = datetime.fromtimestamp(record.started_at, start.tzinfo)
            if made == count or at >= end:
                break
            made += 1
            yield record


def _second_of_day(chance: random.Random) -> float:
    return min(max(chance.gauss(13.5, 3.5), 0.0), 23.9) * 3600


def _session(chance: random.Random, caller: Caller, at: datetime, name: str) -> Iterator[Record]:
    model, prompt = chance.choice(MODELS), chance.randrange(8_000, 30_000)
    for turn in range(chance.randint(5, 60)):
        record = _request(chance, caller, f"req_{name}{turn:02x}", model, prompt)
        record.started_at = at.timestamp()
        record.session, record.prompt_id = f"session-{name}", f"prompt-{name}{turn // 6}"
        yield record
        at += timedelta(seconds=record.seconds + chance.uniform(1, 60))
        prompt += chance.randrange(200, 3_000)


def _request(
    chance: random.Random, caller: Caller, request_id: str, model: str, prompt: int
) -> Record:
    record = Record(
        request_id,
        key_id=caller.number,
        key=f"key-{caller.number}",
        person_id=caller.person,
        person=f"person-{caller.person}",
        team_id=caller.team,
        team=f"team-{caller.team}",
        client="claude-cli/2.0.14",
        request_class=chance.choices([*_CLASSES], [*_CLASSES.values()])[0],
        asked_model="claude-sonnet-4-5",
        alias=f"claude-{MODELS.index(model) % 6}-*",
        backend=BACKENDS[MODELS.index(model) % len(BACKENDS)],
        model=model,
        streamed=True,
        attempts=1,
        prompt_bytes=prompt * 4,
        repeated_bytes=prompt * 3,
        translated_after=0.004,
        headers_after=chance.uniform(0.05, 0.4),
        estimated=False,
    )
    if chance.random() < FAULTY:
        _fail(chance, record)
    else:
        _answer(chance, record, prompt)
    return record


def _fail(chance: random.Random, record: Record) -> None:
    record.status, record.error_type, text = chance.choice(_FAULTS)
    record.error = text.format(n=chance.randrange(1, 9999))
    record.seconds = chance.uniform(0.01, 5)
    if record.status < 499:
        record.attempts, record.headers_after = 0, None


def _answer(chance: random.Random, record: Record, prompt: int) -> None:
    record.status, output = 200, chance.randrange(30, 1800)
    record.output_tokens, record.input_tokens = output, prompt // 10
    record.cache_read_tokens = prompt - record.input_tokens
    record.first_token_after = chance.lognormvariate(-0.5, 0.6)
    record.seconds = record.first_token_after + output / chance.uniform(40, 120)
    record.stop_reason = chance.choice(("end_turn", "tool_use", "tool_use"))
    if record.model not in UNPRICED:
        record.cost_nano_usd = record.input_tokens * 300 + output * 1200
    if chance.random() < 0.02:
        _fall_back(record)
    if chance.random() < 0.01:
        outcome = FLAGGED if chance.random() < 0.1 else NOT_FLAGGED
        record.verdicts = [CallVerdict("toolu_1", "Bash", outcome, ms=700)]


def _fall_back(record: Record) -> None:
    """Another backend was asked before, and failed."""
    first = AttemptRecord(
        "lab", "vendor/model-3", SERVER_ERROR, 503, "busy", began_ms=4, took_ms=40, fell_back=True
    )
    took = round(record.seconds * 1000)
    last = AttemptRecord(record.backend, record.model, ANSWERED, 200, began_ms=44, took_ms=took)
    record.attempts, record.attempt_list = 2, [first, last]
