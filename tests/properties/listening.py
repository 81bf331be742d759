"""One backend answer through the translation, and what came out of it, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.json import decode, encode
from bridge.translation.response.events import Event, frames
from bridge.translation.response.fold import fold
from bridge.translation.response.translate import Answer
from tests.grammar import check_stream
from tests.shapes import CUT, Json, check_error, check_message
from tests.translation.playbook import make_terms

SSE = "text/event-stream"
ASKED = ErrorContext(model="asked/for", max_tokens=100)


@dataclass(frozen=True)
class Heard:
    """What a client gets: events, or an error with a status."""

    events: list[Event]
    raised: ApiError | None

    @property
    def frames(self) -> bytes:
        return frames(self.events)

    @property
    def shown(self) -> tuple[bytes, Json | None]:
        """All that a client could compare."""
        if self.raised is None:
            return self.frames, None
        return self.frames, self.raised.envelope("req_1") | {"status": self.raised.status}

    @property
    def result(self) -> Json:
        """The message, or the error: of type "message" or "error". Everything is checked."""
        if self.raised is None:
            return check_stream(self.frames)
        return self._refusal()

    @property
    def lenient_result(self) -> Json:
        """The same, but arguments that nobody can mend may reach the client as they are (D4)."""
        if self.raised is None:
            return check_stream(_with_whole_arguments(self.events))
        return self._refusal()

    def _refusal(self) -> Json:
        assert self.raised is not None
        assert not self.events, "events in front of an error with a status"
        assert 400 <= self.raised.status <= 599
        return check_error(self.raised.envelope("req_1"))


def listen(body: Iterable[bytes], content_type: str = SSE, **terms: Any) -> Heard:
    """Feed the pieces of a body; anything but an ApiError is a crash."""
    answer = Answer(make_terms(**terms), ASKED, content_type)
    produced: list[Event] = []
    try:
        for piece in body:
            produced += answer.feed(piece)
        produced += answer.finish()
    except ApiError as error:
        return Heard(produced, error)
    assert answer.over
    return Heard(produced, None)


def shown_so_far(body: bytes) -> list[Event]:
    """What a client has seen when this much has come, and nothing else yet."""
    return Answer(make_terms(), ASKED, SSE).feed(body)


def _with_whole_arguments(stream: list[Event]) -> list[Json]:
    """The events with an empty object for arguments that are no object."""
    shown: list[Json] = [json.loads(encode(event)) for event in stream]
    for block in {event["index"] for event in shown if "index" in event}:
        deltas = [
            event["delta"] for event in shown if event.get("index") == block and "delta" in event
        ]
        pieces = [delta for delta in deltas if delta["type"] == "input_json_delta"]
        if pieces and not _is_object("".join(delta["partial_json"] for delta in pieces)):
            for number, delta in enumerate(pieces):
                delta["partial_json"] = "" if number else "{}"
    return shown


def _is_object(text: str) -> bool:
    try:
        return isinstance(decode(text.encode()), dict)
    except ValueError:
        return False


def folded(heard: Heard) -> Json:
    """The same answer as a plain message."""
    return check_message(json.loads(encode(fold(heard.events))))


def said(events: Iterable[Event], kind: str) -> str:
    """All text of the deltas of this kind: `text` or `thinking`."""
    deltas = [json.loads(encode(event)).get("delta", {}) for event in events]
    return "".join(delta.get(kind, "") for delta in deltas)


def agree(streamed: Json, plain: Json) -> bool:
    """Whether both are one message; arguments that are cut or broken may look different."""
    cut = streamed["stop_reason"] in CUT
    streamed = json.loads(encode(streamed))  # 1e999 is legal JSON and no number of any client
    plain = {name: value for name, value in plain.items() if name != "context_management"}
    return _comparable(streamed, cut) == _comparable(plain, cut)


def _comparable(message: Json, cut: bool) -> Json:
    blocks = [
        block | {"input": {}} if cut or "__unparsedToolInput" in block.get("input", ()) else block
        for block in message["content"]
    ]
    return message | {"content": blocks}
