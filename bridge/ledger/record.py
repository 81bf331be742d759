"""One record for each request, whatever became of it.

Filled while the request runs, written once at its end: also for requests that failed, were refused
or were abandoned by the client (status 499).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from itertools import islice
from operator import gt, itemgetter
from typing import Any, Protocol

import msgspec
from msgspec.structs import astuple

from bridge.attempts import AttemptRecord, only_attempt
from bridge.ledger.spool_file import MAX_LINE
from bridge.logs.request_line import RequestEntry
from bridge.translation.errors.redaction import redact_credentials
from bridge.translation.json import JSON, encode
from bridge.translation.request.purpose import UNKNOWN, RequestPurpose
from bridge.translation.response import events

logger = logging.getLogger("bridge.requests")

WIDTHS = {
    "request_id": 64,
    "parent_id": 64,
    "path": 200,
    "key": 100,
    "person": 150,
    "team": 100,
    "fingerprint": 64,
    "client": 120,
    "session": 64,
    "request_class": 40,
    "agent_type": 60,
    "agent_id": 64,
    "parent_agent_id": 64,
    "prompt_id": 64,
    "compaction": 40,
    "compacted": 40,
    "asked_model": 300,
    "alias": 200,
    "backend": 50,
    "model": 300,
    "error_type": 60,
    "error": 300,
    "stop_reason": 40,
}
"""Characters that are kept of each text; where the ledger has a column, as many as it takes."""
PURPOSE = (
    "request_class",
    "agent_type",
    "agent_id",
    "parent_agent_id",
    "prompt_id",
    "compaction",
    "compacted",
)
CHOSEN = (
    "path",
    "client",
    "session",
    "asked_model",
    "error",
    *PURPOSE,
)
"""Texts that a client chooses, or that repeat what it chose."""
LISTS = ("route", "dropped", "refused", "remedies", "repaired", "clamped", "tools", "tool_changes")
MAX_WORDS = 100
"""Entries that are kept of each list, of MAX_WORD characters each."""
MAX_WORD = 500
MAX_TOOLS = 32
"""Tools whose run times are kept."""
MAX_TOOL_NAME = 128


class Lines(Protocol):
    """Where written records go. Must neither raise nor wait."""

    def append(self, line: bytes) -> None: ...


class CallVerdict(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the judging of one tool call ended; no word of the call, and none of the judge.

    reason  why there is no verdict, or why none was needed, as one code
    rule    the kind of danger that a flagged call is
    ms      how long the judge took
    """

    call: str
    tool: str
    outcome: str
    reason: str = ""
    rule: str = ""
    ms: int = 0


class Record(msgspec.Struct, omit_defaults=True, dict=True):
    """What is remembered of one request. Times in seconds since its start; no text, no keys.

    key, key_id     the caller's name; the row of an issued key, or the `fingerprint` of another
    person, team    for whom the key counts, each by name and by the number of its row
    key_four        the last four characters of an issued key: a rotated row has two
    address         the client's, whole or hashed, where CLIENT_ADDRESSES says so
    alias           the alias that led to the model, as its pattern
    request_class   what the request is for: main, subagent, workflow, compaction, auxiliary
    agent_id, parent_agent_id   the sub-agent that sent it, and the one that started that
    prompt_id       the user's prompt that it serves
    compaction, compacted   it summarises the conversation; it is the first one after that
    tool_milliseconds       how long tools ran before it, by name, as the client reports
    error           the first words of the message, without secrets
    cause           why a backend could not be reached or read, for operators
    head_status     of the reply's head, where the error came within the stream behind it
    attempt_list    every attempt, where one of them failed; see `attempts_made`
    cost_nano_usd   what it cost at the price of the moment; None: no price was known
    reported_cost_nano_usd  what the backend says that it cost
    route     how the target was found, and which ones were tried before it
    dropped   what the backend was not sent;  refused   optional fields that it does not take
    clamped   limits that were lowered;  repaired   what was mended in the answer
    remedies  what was changed or waited for before a second try
    learnt    habits of the backend, learnt before, that the request respected
    tools     names of the tools that were called
    repeated_bytes  how many of the prompt's bytes the turn before had too
    tools_added     tools that the turn before had not;  tool_changes   all that differs, in words
    parent_id  the request whose tool calls this one judges
    trace_id   of OpenTelemetry, where the request is traced
    verdicts   how the judging of its tool calls ended

    Written as one line of JSON, less the members that say nothing.
    """

    request_id: str
    parent_id: str = ""
    path: str = ""
    key: str = ""
    key_id: int | None = None
    key_four: str = ""
    person: str = ""
    person_id: int = 0
    team: str = ""
    team_id: int = 0
    address: str = ""
    fingerprint: str = ""
    trace_id: str = ""
    client: str = ""
    session: str = ""
    request_class: str = ""
    agent_type: str = ""
    agent_id: str = ""
    parent_agent_id: str = ""
    prompt_id: str = ""
    compaction: str = ""
    compacted: str = ""
    tool_milliseconds: dict[str, int] = msgspec.field(default_factory=dict)
    asked_model: str = ""
    alias: str = ""
    backend: str = ""
    model: str = ""
    streamed: bool = False
    status: int = 0
    error_type: str = ""
    error: str = ""
    cause: str = ""
    head_status: int | None = None
    attempts: int = 0
    attempt_list: list[AttemptRecord] = msgspec.field(default_factory=list)
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int | None = None
    estimated: bool = True
    cost_nano_usd: int | None = None
    reported_cost_nano_usd: int | None = None
    stop_reason: str = ""
    route: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    refused: list[str] = msgspec.field(default_factory=list)
    remedies: list[str] = msgspec.field(default_factory=list)
    learnt: list[str] = msgspec.field(default_factory=list)
    repaired: list[str] = msgspec.field(default_factory=list)
    clamped: list[str] = msgspec.field(default_factory=list)
    tools: list[str] = msgspec.field(default_factory=list)
    verdicts: list[CallVerdict] = msgspec.field(default_factory=list)
    sample: dict[str, JSON] | None = None
    prompt_bytes: int = 0
    repeated_bytes: int = 0
    tools_added: int = 0
    tool_changes: list[str] = msgspec.field(default_factory=list)
    started_at: float = msgspec.field(default_factory=time.time)
    auth_after: float | None = None
    translated_after: float | None = None
    connected_after: float | None = None
    headers_after: float | None = None
    first_token_after: float | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.clock = time.monotonic()
        self.written = False

    def elapsed(self) -> float:
        return round(time.monotonic() - self.clock, 4)

    @property
    def tokens(self) -> int:
        """All of them: the whole prompt, cached or not, and the answer."""
        prompt = self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
        return prompt + self.output_tokens

    def attempts_made(self) -> list[AttemptRecord]:
        """Every attempt in its order, once the request is over."""
        if self.attempt_list or not self.attempts:
            return self.attempt_list
        times = _milliseconds(self.translated_after), _milliseconds(self.headers_after)
        return [
            only_attempt(self.backend, self.model, self.status, *times, round(self.seconds * 1000))
        ]

    def at(self, moment: float | None) -> float | None:
        """A moment of the monotonic clock, in seconds since the start."""
        return None if moment is None else round(moment - self.clock, 4)

    def serves(self, purpose: RequestPurpose) -> None:
        """Take over what the request is for."""
        if purpose is UNKNOWN:  # as of every client that is not Claude Code
            return
        for name in PURPOSE:
            setattr(self, name, getattr(purpose, name))
        self.tool_milliseconds = dict(purpose.tool_milliseconds)

    def count(self, usage: events.Usage, estimated: bool) -> None:
        """Take over the token counts of the answer."""
        self.input_tokens = usage.input_tokens
        self.output_tokens = usage.output_tokens
        self.cache_read_tokens = usage.cache_read_input_tokens
        self.cache_write_tokens = usage.cache_creation_input_tokens
        details = usage.output_tokens_details
        if isinstance(details, events.OutputDetails):
            self.thinking_tokens = details.thinking_tokens
        self.estimated = estimated

    def write(self, spool: Lines | None = None) -> None:
        """The request is over. The first call counts, so that it may come before the last byte."""
        if self.written:
            return
        self.written = True
        self.seconds = self.elapsed()
        self._cut()
        self._redact()
        loud = logger.isEnabledFor(logging.INFO)
        if spool is None and not loud:
            return
        line = encode(self)
        if len(line) > MAX_LINE:
            self._shorten()
            line = encode(self)
        if spool is not None:
            spool.append(line)
        if loud:
            logger.info(RequestEntry(self, line if self.sample is None else None))

    def _cut(self) -> None:
        """Clients and models choose some of the texts: no record is too long to be kept."""
        members = astuple(self)
        if any(map(gt, map(len, _texts(members)), WIDTHS.values())):
            for name, width in WIDTHS.items():
                setattr(self, name, getattr(self, name)[:width])
        for name, words in zip(LISTS, _lists(members), strict=True):
            if words:
                setattr(self, name, type(words)(word[:MAX_WORD] for word in words[:MAX_WORDS]))
        if len(self.attempt_list) > MAX_WORDS:
            self.attempt_list = [*self.attempt_list[: MAX_WORDS - 1], self.attempt_list[-1]]
        if self.verdicts:
            self.verdicts = [_short(verdict) for verdict in self.verdicts[:MAX_WORDS]]
        if times := self.tool_milliseconds:
            few = islice(times.items(), MAX_TOOLS)
            self.tool_milliseconds = {name[:MAX_TOOL_NAME]: ms for name, ms in few}

    def _redact(self) -> None:
        """A key may stand where the name of a model belongs, or of a client."""
        for name, text in zip(CHOSEN, _chosen(astuple(self)), strict=True):
            if text:
                setattr(self, name, redact_credentials(text)[: WIDTHS[name]])
        self.route = tuple(map(redact_credentials, self.route))
        if times := self.tool_milliseconds:
            self.tool_milliseconds = {
                redact_credentials(name)[:MAX_TOOL_NAME]: ms for name, ms in times.items()
            }

    def _shorten(self) -> None:
        """Characters that JSON escapes take up to six bytes: what is left fits in any case."""
        self.sample = None
        self.verdicts = self.verdicts[:1]
        self.attempt_list = [msgspec.structs.replace(a, text="") for a in self.attempt_list]
        for name in LISTS:
            words = getattr(self, name)
            setattr(self, name, type(words)(words[:1]))

    def without_text(self) -> bytes:
        """The line as the log has it: the sample is for the record alone, a log goes to more
        places."""
        return encode(msgspec.structs.replace(self, sample=None))


def _reading(names: Iterable[str]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """Takes these members out of all of them: every request's record is gone through."""
    places = {name: place for place, name in enumerate(Record.__struct_fields__)}
    return itemgetter(*(places[name] for name in names))


_texts, _lists, _chosen = _reading(WIDTHS), _reading(LISTS), _reading(CHOSEN)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _short(verdict: CallVerdict) -> CallVerdict:
    """Models choose the names of calls."""
    printable = "".join(c if c.isprintable() else " " for c in verdict.tool[:MAX_TOOL_NAME])
    tool = redact_credentials(printable)[:MAX_TOOL_NAME]
    return msgspec.structs.replace(verdict, tool=tool, call=verdict.call[:64])
