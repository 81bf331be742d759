"""A backend's answer -> message events: the stages of the reading side, joined.

Whether the backend answers with a stream or with one JSON document is its own choice (some
ignore `stream`); what comes out is the same, and whether the client gets frames or one message
is decided behind this. An error object inside the answer is worded here, since only here both the
fault and the request are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec.structs import replace

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import ErrorContext, from_fault
from bridge.translation.json import encode
from bridge.translation.response.deltas import (
    BackendFault,
    ContentDelta,
    Delta,
    Reasoning,
    ReportedUsage,
    Text,
    ToolCall,
)
from bridge.translation.response.dialects.chat import ChunkReader, read_reply
from bridge.translation.response.dialects.harmony import HarmonyChannels
from bridge.translation.response.dialects.prefill_echo import PrefillEcho
from bridge.translation.response.dialects.think_tags import StrayCloser, ThinkTags
from bridge.translation.response.events import (
    Event,
    TextDelta,
    ThinkingDelta,
    Usage,
    Written,
    around_text,
)
from bridge.translation.response.message_stream import MessageStream
from bridge.translation.response.sse import BOM, SseReader
from bridge.translation.response.stop_sequences import StopStage
from bridge.translation.response.stream_options import Phase, Shown, StreamOptions
from bridge.translation.response.text_calls.stage import TextCalls

EVENT_STREAM = "text/event-stream"
STREAM_STARTS = (b"data:", b"event:", b":")
MAX_REPLY_BYTES = 64 * 1024 * 1024
TOO_LARGE = "Backend sent a reply that is too large"
SLICE = 8192
"""Characters of one delta that are worked on at a time."""
STEP = 16 * 1024
"""Characters after which a step ends, so that others get their turn."""
PER_DELTA = 50
"""What a delta costs beside its characters, in characters."""
AT_ONCE = 8192
"""Bytes of payloads that are one step together."""
_GOING_ON: dict[Shown, tuple[type[Delta], type[TextDelta | ThinkingDelta]]] = {
    Shown.TEXT: (Text, TextDelta),
    Shown.THINKING: (Reasoning, ThinkingDelta),
}
"""What goes on in a block of each kind, and in which delta clients get it."""


class Stage(Protocol):
    """Something between the dialect and the message stream: deltas in, deltas out.

    `finish` gives what is still held when the answer is over. `is_through`: it holds nothing, and
    from here on every delta passes as it is.
    """

    @property
    def is_through(self) -> bool: ...

    def feed(self, delta: ContentDelta) -> list[ContentDelta]: ...

    def finish(self) -> list[ContentDelta]: ...


def _sliced(delta: Delta) -> Iterator[Delta]:
    """A delta that is long, in slices."""
    text = _text_of(delta)
    name = "arguments" if isinstance(delta, ToolCall) else "text"
    slices = (text[at : at + SLICE] for at in range(0, len(text), SLICE))
    return (replace(delta, **{name: piece}) for piece in slices)


def _text_of(delta: Delta) -> str:
    if isinstance(delta, (Text, Reasoning)):
        return delta.text
    return delta.arguments if isinstance(delta, ToolCall) else ""


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _thinking_stage(inline: str) -> Stage:
    return ThinkTags(inline == "open", inline == "guess") if inline else StrayCloser()


class Answer:
    """One backend answer of either kind. While nothing has come out, a failure raises ApiError.

    `writes`: nobody looks at its deltas on their way, so they may come out as `Written`.
    """

    def __init__(
        self, options: StreamOptions, error_context: ErrorContext, content_type: str
    ) -> None:
        self._error_context = error_context
        self._streamed = EVENT_STREAM in content_type.lower()
        self._sniffed = False
        self._unread = b""
        self._sse = SseReader()
        self._chunks = ChunkReader()
        self._whole: list[bytes] = []
        self._size = 0
        self._stops = StopStage(options.gateway_stops) if options.gateway_stops else None
        self._calls = TextCalls(options.written_calls) if options.written_calls else None
        self._stages = self._stages_of(options)
        self._written = self.writes = False
        self._omits_thinking = options.omit_thinking
        self.calls_natively = False
        self._message = MessageStream(options)

    def _stages_of(self, options: StreamOptions) -> list[Stage]:
        stages: list[Stage | None] = [
            PrefillEcho(options.prefill) if options.prefill else None,
            HarmonyChannels(),
            _thinking_stage(options.inline_thinking),
            self._calls,
            self._stops,
        ]
        return [stage for stage in stages if stage is not None]

    @property
    def repaired(self) -> list[str]:
        """What the backend did not say correctly and the client got correctly."""
        written = ["calls written as text"] if self._written else []
        return written + self._message.repaired

    @property
    def error(self) -> ApiError | None:
        """Why it failed; None while it has not."""
        return self._message.error

    @property
    def stop_reason(self) -> str:
        return self._message.stop_reason

    @property
    def usage(self) -> Usage:
        """Tokens so far, as reported, or else as estimated."""
        return self._message.usage()

    @property
    def reported(self) -> ReportedUsage:
        """Tokens and cost as the backend reports them."""
        return self._message.reported

    @property
    def tools(self) -> list[str]:
        """Names of the tools that were called."""
        return self._message.tools

    @property
    def reasoning_field(self) -> str:
        """The field in which the backend reasoned; "" where it did not, or not in one."""
        return self._chunks.reasoning_field

    @property
    def stopped(self) -> bool:
        """A stop sequence was met here; what the backend still says is of no interest."""
        return self._stops is not None and self._stops.stopped

    @property
    def begun(self) -> bool:
        """Whether anything may have been shown to the client."""
        return self._message.phase is not Phase.NEW

    @property
    def complete(self) -> bool:
        """Nothing that matters can still come, so there is no need to wait for the end."""
        return self.stopped or self._message.said_all

    @property
    def finishing(self) -> bool:
        """The backend has named its reason to stop; only usage may still come."""
        return self._message.is_finishing

    @property
    def over(self) -> bool:
        return self._message.phase in (Phase.DONE, Phase.FAILED)

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes of the body."""
        return [event for batch in self.steps(data) for event in batch]

    def finish(self) -> list[Event]:
        """The body is over."""
        return [event for batch in self.last_steps() for event in batch]

    def steps(self, data: bytes) -> Iterable[list[Event]]:
        """`feed` in steps, none of which takes long: the caller may let others in between.

        A tuple has one step.
        """
        if not self._sniffed:
            data = self._sniff(data)
        if not self._streamed:
            return self._run(self._keep(data))
        try:
            payloads = self._sse.feed(data)
        except ApiError as error:
            return (self.fail(error),)
        if sum(map(len, payloads)) > AT_ONCE:
            return self._run(self._deltas(payloads))
        return (self._at_once(payloads),)

    def last_steps(self) -> Iterator[list[Event]]:
        """`finish` in steps."""
        yield from self._run(self._last_deltas())
        produced: list[Event] = []
        for item in self._let_go():
            produced += self._message.feed(item)
        yield produced + self._message.finish()

    def _sniff(self, data: bytes) -> bytes:
        """The first characters tell a stream from a document; servers mislabel both.

        Returns what may be read now: nothing, as long as the characters decide nothing.
        """
        start = (self._unread + data).lstrip().removeprefix(BOM).lstrip()
        if start.startswith(b"{"):
            self._streamed = False
        elif start.startswith(STREAM_STARTS):
            self._streamed = True
        elif BOM.startswith(start) or any(mark.startswith(start) for mark in STREAM_STARTS):
            self._unread = start
            return b""
        self._sniffed, self._unread = True, b""
        return start

    def fail(self, error: ApiError) -> list[Event]:
        """The body broke off, or made no sense. What is held was text all the same."""
        produced: list[Event] = []
        if self.begun and self._calls is not None:
            for item in self._calls.release():
                produced += self._message.feed(item)
        return produced + self._message.fail(error)

    def _run(self, deltas: Iterable[Delta]) -> Iterator[list[Event]]:
        """Feed the machine. What came out before a failure stays in front of it."""
        produced: list[Event] = []
        work = 0
        try:
            for whole in deltas:
                size = len(_text_of(whole))
                for delta in _sliced(whole) if size > SLICE else (whole,):
                    produced += self._fed(delta)
                    work += min(size, SLICE) + PER_DELTA
                    if work > STEP:
                        yield produced
                        produced, work = [], 0
        except ApiError as error:
            produced += self.fail(error)
        yield produced

    def _at_once(self, payloads: list[bytes]) -> list[Event]:
        """The same as `_run`, in the one step that a few payloads need."""
        produced: list[Event] = []
        try:
            for payload in payloads:
                for delta in self._chunks.feed(payload):
                    produced += self._fed(delta)
        except ApiError as error:
            produced += self.fail(error)
        return produced

    def more(self, data: bytes) -> Written | None:
        """`feed` for bytes that bring nothing but more text of the block that is open, as nine of
        ten do: the answer goes on as it did. None for others, of which nothing is taken."""
        if not self.writes or len(data) > AT_ONCE:
            return None
        calls = self._calls if self._stages else None
        if self._stages and self._stages != [calls]:
            return None
        kind = _GOING_ON.get(self._message.going_on)
        if kind is None or (self._omits_thinking and kind[0] is Reasoning):
            return None
        texts = self._texts(data, kind[0])
        if not texts or (calls is not None and not calls.passes(kind[0], texts)):
            return None
        before, after = around_text(self._message.index, kind[1])
        self._message.emitted_bytes += sum(map(_bytes_of, texts))
        return Written(b"".join([before + encode(text) + after for text in texts]))

    def _texts(self, data: bytes, kind: type[Delta]) -> list[str]:
        """What whole events bring, where each is more text of this kind; else nothing."""
        texts: list[str] = []
        for payload in self._sse.whole(data):
            delta = self._chunks.usual(payload)
            if type(delta) is not kind:
                return []
            texts.append(_text_of(delta))
        return texts

    def _fed(self, delta: Delta) -> list[Event]:
        """Feed one delta through all stages."""
        if isinstance(delta, BackendFault):
            raise from_fault(delta.status, delta.body, self._error_context)
        if isinstance(delta, ToolCall):
            self.calls_natively = True
        staged = self._staged(delta) if self._stages else [delta]
        if len(staged) == 1:
            return self._message.feed(staged[0])
        return [event for item in staged for event in self._message.feed(item)]

    def _staged(self, delta: ContentDelta) -> list[ContentDelta]:
        """The delta behind all stages. Those that are through are left out from then on."""
        deltas = [delta]
        are_through = False
        for stage in self._stages:
            deltas = [out for item in deltas for out in stage.feed(item)]
            are_through = are_through or stage.is_through
        if are_through:
            self._stages = [stage for stage in self._stages if not stage.is_through]
        return deltas

    def _let_go(self) -> list[ContentDelta]:
        """What the stages hold at the end, each passed through those behind it."""
        deltas: list[ContentDelta] = []
        if self.over:
            return deltas
        for stage in self._stages:
            deltas = [out for item in deltas for out in stage.feed(item)] + self._held_by(stage)
            if stage is self._calls:
                self._written = any(isinstance(out, ToolCall) for out in deltas)
        return deltas

    def _held_by(self, stage: Stage) -> list[ContentDelta]:
        """What a stage holds at the end. Where the answer broke off nobody knows what the model
        would have written behind a call, so that nothing written counts as one."""
        if stage is self._calls and self._calls is not None and self._message.broke_off():
            return self._calls.release()
        return stage.finish()

    def _deltas(self, payloads: Iterable[bytes]) -> Iterator[Delta]:
        for payload in payloads:
            yield from self._chunks.feed(payload)

    def _begun_with(self, data: bytes) -> Iterator[Delta]:
        """What came so far, when nothing follows that could tell a stream from a document."""
        return self._deltas(self._sse.feed(data)) if self._streamed else self._keep(data)

    def _keep(self, data: bytes) -> Iterator[Delta]:
        self._whole.append(data)
        self._size += len(data)
        if self._size > MAX_REPLY_BYTES:
            raise ApiError.bad_gateway(TOO_LARGE)
        yield from ()

    def _last_deltas(self) -> Iterator[Delta]:
        if self._unread:
            unread = self._unread
            yield from (
                self._deltas(self._sse.feed(unread)) if self._streamed else self._keep(unread)
            )
        if not self._streamed:
            deltas = list(read_reply(b"".join(self._whole), self._chunks))
            # Nothing of a document was shown yet, so a fault in it is the whole answer.
            yield from [d for d in deltas if isinstance(d, BackendFault)] or deltas
            return
        yield from self._deltas(self._sse.finish())
        yield from self._chunks.finish()
