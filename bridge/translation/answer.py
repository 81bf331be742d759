"""A backend's answer -> message events: the stages of the reading side, joined.

Whether the backend answers with a stream or with one JSON document is its own choice (some
ignore `stream`); what comes out is the same, and whether the client gets frames or one message
is decided behind this. An error object inside the answer is worded here, since only here both the
fault and the request are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .backend_errors import Asked, from_fault
from .deltas import Delta, Done, Fault, Finish, Said, Text, Usage
from .dialects.chat import ChunkReader, read_reply
from .errors import ApiError
from .events import Event
from .sse import SseReader
from .stops import StopMatcher
from .stream import MessageStream, Phase, Terms

EVENT_STREAM = "text/event-stream"
MAX_REPLY_BYTES = 64 * 1024 * 1024


class Answer:
    """One backend answer of either kind. While nothing has come out, a failure raises ApiError."""

    def __init__(self, terms: Terms, asked: Asked, content_type: str) -> None:
        self._asked = asked
        self._streamed = EVENT_STREAM in content_type.lower()
        self._sse = SseReader()
        self._chunks = ChunkReader()
        self._whole: list[bytes] = []
        self._size = 0
        self._stops = StopMatcher(terms.gateway_stops) if terms.gateway_stops else None
        self.machine = MessageStream(terms)

    @property
    def stopped(self) -> bool:
        """A stop sequence was met here; what the backend still says is of no interest."""
        return self._stops is not None and self._stops.matched is not None

    @property
    def begun(self) -> bool:
        """Whether anything may have been shown to the client."""
        return self.machine.phase is not Phase.NEW

    @property
    def complete(self) -> bool:
        """Nothing that matters can still come, so there is no need to wait for the end."""
        return self.stopped or self.machine.said_all

    @property
    def finishing(self) -> bool:
        """The backend has named its reason to stop; only usage may still come."""
        return self.machine.phase is Phase.FINISHING

    @property
    def over(self) -> bool:
        return self.machine.phase in (Phase.DONE, Phase.FAILED)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the body."""
        return self._run(self._streamed_deltas(data) if self._streamed else self._keep(data))

    def finish(self) -> list[Event]:
        """The body is over."""
        produced = self._run(self._last_deltas())
        return produced + self.machine.finish()

    def fail(self, error: ApiError) -> list[Event]:
        """The body broke off, or made no sense."""
        return self.machine.fail(error)

    def _run(self, deltas: Iterable[Delta]) -> list[Event]:
        """Feed the machine. What came out before a failure stays in front of it."""
        produced: list[Event] = []
        try:
            for delta in deltas:
                if isinstance(delta, Fault):
                    raise from_fault(delta.status, delta.body, self._asked)
                for said in self._until_stop(delta):
                    produced += self.machine.feed(said)
        except ApiError as error:
            produced += self.machine.fail(error)
        return produced

    def _until_stop(self, delta: Said) -> Iterable[Said]:
        """The delta as far as no stop sequence ends it; other kinds let held-back text go first."""
        if self._stops is None:
            return (delta,)
        if self._stops.matched is not None:
            return (delta,) if isinstance(delta, Usage) else ()
        if isinstance(delta, Text):
            visible = self._stops.feed(delta.text)
            ended = self._stops.matched
            return (Text(visible), Finish("stop", ended), Done()) if ended else (Text(visible),)
        return (Text(self._stops.finish()), delta)

    def _streamed_deltas(self, data: bytes) -> Iterator[Delta]:
        for payload in self._sse.feed(data):
            yield from self._chunks.feed(payload)

    def _keep(self, data: bytes) -> Iterator[Delta]:
        self._whole.append(data)
        self._size += len(data)
        if self._size > MAX_REPLY_BYTES:
            raise ApiError.bad_gateway("Backend sent a reply that is too large")
        yield from ()

    def _last_deltas(self) -> Iterator[Delta]:
        if not self._streamed:
            yield from read_reply(b"".join(self._whole))
            return
        for payload in self._sse.finish():
            yield from self._chunks.feed(payload)
