"""Recorded and made-up backend answers as JSON files, and their replay through `Answer`.

A case file holds

    case          the number of its requirement, where it has one, and a sentence
    why           who demands it: the specification, a client or a backend observed doing it, or us
    status        of the backend's answer; 200 unless given. Others go through `from_reply`
    headers       of the backend's answer; a stream of events unless they say otherwise
    asked, terms  what is known of the request; `options.tools` are the names of its tools
    chunk         members that all chunks share
    body          a list: objects are chunks, "[DONE]" is the end mark, other strings stand as they
                  are; or, for a plain answer, its JSON, or its text
    events        the event stream, a line for each event (see playbook.py); may be left out
    message       what the client gets, or `error` for a reply with a status, or `broken` for an
                  error event at the end of a stream that had begun
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext, from_reply
from bridge.translation.request.tools import ToolNames
from bridge.translation.response.events import Event
from bridge.translation.response.stream_options import StreamOptions
from bridge.translation.response.translate import Answer
from tests.shapes import Json
from tests.translation.playbook import make_terms, plain_block

CASES = Path(__file__).parent.parent / "cases"
NO_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
SSE = {"content-type": "text/event-stream"}


@dataclass(frozen=True)
class Transcript:
    """One case file."""

    path: Path
    case: Json

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}: {self.case['case']}"

    @property
    def status(self) -> int:
        return int(self.case.get("status", 200))

    @property
    def headers(self) -> dict[str, str]:
        headers: dict[str, str] = self.case.get("headers", SSE)
        return headers

    @property
    def raw(self) -> bytes:
        """The body as bytes."""
        body = self.case["body"]
        if not isinstance(body, list):
            return (body if isinstance(body, str) else json.dumps(body)).encode()
        return b"".join(_event_bytes(item, self.case.get("chunk", {})) for item in body)

    @property
    def asked(self) -> ErrorContext:
        given = dict(self.case.get("asked", {}))
        return ErrorContext(**given | {"added": frozenset(given.get("added", ()))})

    def options(self) -> StreamOptions:
        given: dict[str, Any] = dict(self.case.get("terms", {}))
        names = ToolNames(128, {})
        for name in given.pop("tools", ()):
            names.declare(name)
        for name in ("stop_sequences", "gateway_stops"):
            given[name] = tuple(given.get(name, ()))
        given["used_ids"] = frozenset(given.get("used_ids", ()))
        return make_terms(client_name=names.to_client, **given)

    @property
    def message(self) -> Json:
        """The expected message, in the form of `plain_message`."""
        expected: Json = self.case["message"]
        return expected | {"usage": NO_CACHE | expected["usage"]}


def _event_bytes(item: Json | str, shared: Json) -> bytes:
    if item == "[DONE]":
        return b"data: [DONE]\n\n"
    if isinstance(item, str):
        return item.encode()
    return b"data: " + json.dumps(shared | item, ensure_ascii=False).encode() + b"\n\n"


@dataclass(frozen=True)
class Outcome:
    """What came out of a replay: events, and the error that was raised or told at the end."""

    events: list[Event]
    raised: ApiError | None
    told: ApiError | None


def load(*folders: str) -> Iterator[Transcript]:
    """The case files of these folders, in order of their names."""
    for folder in folders:
        for path in sorted((CASES / folder).rglob("*.json")):
            yield Transcript(path, json.loads(path.read_text("utf-8")))


def replay(transcript: Transcript, size: int = 0) -> Outcome:
    """Feed the body in pieces of `size` bytes; as a whole when `size` is 0."""
    if not 200 <= transcript.status < 300:
        error = from_reply(transcript.status, transcript.headers, transcript.raw, transcript.asked)
        return Outcome([], error, None)
    answer = Answer(transcript.options(), transcript.asked, transcript.headers["content-type"])
    produced: list[Event] = []
    try:
        for piece in _pieces(transcript.raw, size):
            produced += answer.feed(piece)
        produced += answer.finish()
    except ApiError as error:
        return Outcome(produced, error, None)
    return Outcome(produced, None, answer.error)


def _pieces(raw: bytes, size: int) -> Iterable[bytes]:
    if not size:
        return [raw]
    return (raw[at : at + size] for at in range(0, len(raw), size))


def plain_message(message: Json) -> Json:
    """A message without what every message has, with placeholders for what was made up."""
    kept = {name: value for name, value in message.items() if name not in _IDENTITY}
    return kept | {"content": [plain_block(block) for block in message["content"]]}


_IDENTITY = frozenset({"id", "type", "role", "model"})


def error_members(error: ApiError) -> Json:
    """What a client sees of an error before the stream has begun."""
    shown: Json = {"status": error.status, "type": error.type, "message": error.message}
    return shown | error.reply_headers()
