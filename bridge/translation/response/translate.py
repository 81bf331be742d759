"""A backend's answer -> message events: the stages of the reading side, joined.

Whether the backend answers with a stream or with one JSON document is its own choice (some
ignore `stream`); what comes out is the same, and whether the client gets frames or one message
is decided behind this. An error object inside the answer is worded here, since only here both the
fault and the request are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext, from_fault
from bridge.translation.response.deltas import BackendFault, Delta, Reasoning, Said, Text, ToolCall
from bridge.translation.response.dialects.chat import ChunkReader, read_reply
from bridge.translation.response.dialects.prefill_echo import PrefillEcho
from bridge.translation.response.dialects.text_tool_calls import WrittenCalls
from bridge.translation.response.dialects.think_tags import ThinkTags
from bridge.translation.response.events import Event
from bridge.translation.response.message_stream import MessageStream, Phase, StreamOptions
from bridge.translation.response.sse import BOM, SseReader
from bridge.translation.response.stop_sequences import StopStage

EVENT_STREAM = "text/event-stream"
STREAM_STARTS = (b"data:", b"event:", b":")
MAX_REPLY_BYTES = 64 * 1024 * 1024
TOO_LARGE = "Backend sent a reply that is too large"


class Stage(Protocol):
    """Something between the dialect and the message stream: deltas in, deltas out."""

    def feed(self, delta: Said) -> list[Said]: ...


def _stages(options: StreamOptions, stops: StopStage | None) -> list[Stage]:
    stages: list[Stage] = []
    if options.prefill:
        stages.append(PrefillEcho(options.prefill))
    if options.inline_thinking:
        stages.append(ThinkTags(opened=options.inline_thinking == "open"))
    if options.written_calls:
        stages.append(WrittenCalls(options.written_calls))
    if stops is not None:
        stages.append(stops)
    return stages


class Answer:
    """One backend answer of either kind. While nothing has come out, a failure raises ApiError."""

    def __init__(self, options: StreamOptions, asked: ErrorContext, content_type: str) -> None:
        self._asked = asked
        self._streamed = EVENT_STREAM in content_type.lower()
        self._sniffed = False
        self._unread = b""
        self._sse = SseReader()
        self._chunks = ChunkReader()
        self._whole: list[bytes] = []
        self._size = 0
        self._stops = StopStage(options.gateway_stops) if options.gateway_stops else None
        self._stages = _stages(options, self._stops)
        self._written = False
        self.machine = MessageStream(options)

    @property
    def repaired(self) -> list[str]:
        """What the backend did not say correctly and the client got correctly."""
        written = ["calls written as text"] if self._written else []
        return written + self.machine.repaired

    @property
    def stopped(self) -> bool:
        """A stop sequence was met here; what the backend still says is of no interest."""
        return self._stops is not None and self._stops.stopped

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
        if not self._sniffed:
            data = self._sniff(data)
        return self._run(self._streamed_deltas(data) if self._streamed else self._keep(data))

    def _sniff(self, data: bytes) -> bytes:
        """The first characters tell a stream from a document; servers mislabel both.

        Returns what may be read now: nothing, as long as the characters decide nothing.
        """
        self._unread += data
        start = self._unread.removeprefix(BOM).lstrip()
        if start.startswith(b"{"):
            self._streamed = False
        elif start.startswith(STREAM_STARTS):
            self._streamed = True
        elif BOM.startswith(start) or any(mark.startswith(start) for mark in STREAM_STARTS):
            return b""
        self._sniffed, self._unread = True, b""
        return start

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
                if isinstance(delta, BackendFault):
                    raise from_fault(delta.status, delta.body, self._asked)
                for said in self._staged(delta) if self._stages else (delta,):
                    produced += self.machine.feed(said)
        except ApiError as error:
            produced += self.machine.fail(error)
        return produced

    def _staged(self, delta: Said) -> list[Said]:
        """The delta behind all stages."""
        said = [delta]
        for stage in self._stages:
            said = [out for item in said for out in stage.feed(item)]
        if not isinstance(delta, ToolCall):
            self._written = self._written or any(isinstance(out, ToolCall) for out in said)
        return said

    def _streamed_deltas(self, data: bytes) -> Iterator[Delta]:
        for payload in self._sse.feed(data):
            yield from self._chunks.feed(payload)

    def _keep(self, data: bytes) -> Iterator[Delta]:
        self._whole.append(data)
        self._size += len(data)
        if self._size > MAX_REPLY_BYTES:
            raise ApiError.bad_gateway(TOO_LARGE)
        yield from ()

    def _last_deltas(self) -> Iterator[Delta]:
        if self._unread:
            yield from (
                self._streamed_deltas(self._unread) if self._streamed else self._keep(self._unread)
            )
        if not self._streamed:
            deltas = list(read_reply(b"".join(self._whole)))
            # Nothing of a document was shown yet, so a fault in it is the whole answer.
            yield from [d for d in deltas if isinstance(d, BackendFault)] or deltas
            return
        for payload in self._sse.finish():
            yield from self._chunks.feed(payload)
        if self._stages:
            # An empty text makes the stages let go of what they hold.
            yield Reasoning("")
            yield Text("")
