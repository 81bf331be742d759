"""The running stream under its three clocks. The clocks are the test's: no time passes here."""

import time
from typing import Any, cast

import pytest

from bridge.backends.client import Reply
from bridge.outbound.inbox import Inbox
from bridge.relay.attempt import OpenReply
from bridge.relay.pump import StreamTimers, pump, to_bytes
from bridge.translation.errors.api_error import ApiError
from bridge.translation.response.events import Event
from bridge.translation.response.fold import fold
from bridge.translation.response.message_stream import CUT_SHORT
from tests.bridge.making import (
    Clock,
    a_backend,
    an_answer,
    an_upstream_request,
    relay_settings,
    wire,
)
from tests.fakes.chunks import finish, text, usage
from tests.grammar import parse_sse

END, SILENCE = b"", None
TURN = 1e-6
"""Seconds that pass in any case, as they do outside: sums of floats may fall short of a strike."""
Item = bytes | None | ApiError | tuple[float, bytes]


class Script:
    """An inflow that plays a list: bytes, an end, an error, or silence for as long as waited.

    `(seconds, data)` comes after so many seconds, and after as many waits as it takes.
    """

    def __init__(self, clock: Clock, *items: Item) -> None:
        self._clock = clock
        self._items = list(items)

    async def take(self, seconds: float) -> bytes | None:
        item = self._items.pop(0) if self._items else SILENCE
        if isinstance(item, ApiError):
            raise item
        if isinstance(item, tuple):
            delay, data = item
            if delay > seconds:
                self._items.insert(0, (delay - seconds, data))
            self._clock.advance(min(delay, seconds) + TURN)
            return data if delay <= seconds else None
        if item is SILENCE:
            self._clock.advance(seconds + TURN)
        return item


@pytest.fixture
def clock() -> Clock:
    return Clock(time.monotonic())


def begun(clock: Clock, *items: Item, idle: float = 310.0, **options: Any) -> OpenReply:
    """An answer that has said "Hi" already."""
    answer = an_answer(**options)
    events = answer.feed(wire(text("Hi")))
    inbox = cast(Inbox, Script(clock, *items))
    outgoing = an_upstream_request(a_backend())
    return OpenReply(cast(Reply, None), inbox, answer, events, idle, outgoing)


async def pumped(opened: OpenReply, clock: Clock) -> list[list[Event]]:
    settings = relay_settings(ping_interval=15.0, finish_grace=5.0)
    batches = [batch async for batch in pump(opened, settings, clock)]
    assert batches[0] is opened.events
    return batches[1:]


def names(batches: list[list[Event]]) -> list[str]:
    """Names of the events as a client sees them."""
    return [event.name for event in parse_sse(b"".join(map(to_bytes, batches)))]


def text_of(opened: OpenReply, batches: list[list[Event]]) -> str:
    blocks: Any = fold(opened.events + [event for batch in batches for event in batch]).content
    return "".join(block.text for block in blocks)


GOOD_END = wire(finish("stop"), usage(5, 2), "data: [DONE]\n\n")


async def test_answer_is_passed_on_to_its_end(clock: Clock) -> None:
    opened = begun(clock, wire(text(" there")), GOOD_END)
    batches = await pumped(opened, clock)
    assert text_of(opened, batches) == "Hi there"
    assert names(batches)[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert opened.answer.over


async def test_silence_is_filled_with_pings(clock: Clock) -> None:
    """wire D2, OPEN: a ping whenever nothing was written for PING_INTERVAL."""
    opened = begun(clock, (50.0, wire(text("!"))), GOOD_END)
    batches = await pumped(opened, clock)
    assert names(batches)[:4] == ["ping", "ping", "ping", "content_block_delta"]


async def test_comments_do_not_keep_the_client_waiting(clock: Clock) -> None:
    """wire D2, OPEN: also while the backend sends only comments."""
    comments = [(7.0, b": keep-alive\n\n")] * 10
    batches = await pumped(begun(clock, *comments, GOOD_END), clock)
    assert names(batches).count("ping") == 4


async def test_text_puts_off_the_ping(clock: Clock) -> None:
    chatter = [(14.0, wire(text("x")))] * 10
    assert "ping" not in names(await pumped(begun(clock, *chatter, GOOD_END), clock))


async def test_backend_that_goes_silent_ends_in_a_timeout(clock: Clock) -> None:
    """wire D7: idle longer than IDLE_TIMEOUT, `timeout_error`."""
    opened = begun(clock)
    batches = await pumped(opened, clock)
    error = opened.answer.error
    assert error is not None
    assert (error.stream_type, error.blames_backend) == ("timeout_error", True)
    assert error.message == "Backend did not answer within 310 seconds"
    assert names(batches)[-1] == "error"
    assert names(batches).count("ping") == 20


async def test_backend_has_a_patience_of_its_own(clock: Clock) -> None:
    """backends.py: idle_seconds in place of IDLE_TIMEOUT."""
    opened = begun(clock, idle=20.0)
    batches = await pumped(opened, clock)
    assert opened.answer.error is not None
    assert opened.answer.error.message == "Backend did not answer within 20 seconds"
    assert names(batches).count("ping") == 1


async def test_comments_count_as_signs_of_life(clock: Clock) -> None:
    """wire D7: counted on backend bytes, comments included."""
    comments = [(309.0, b": still here\n\n")] * 5
    opened = begun(clock, *comments, GOOD_END)
    assert names(await pumped(opened, clock))[-1] == "message_stop"


async def test_backend_that_forgets_to_end_is_ended(clock: Clock) -> None:
    """wire D2, FINISHING: FINISH_GRACE after the finish reason."""
    start = clock.now
    opened = begun(clock, wire(finish("stop")))
    assert names(await pumped(opened, clock))[-1] == "message_stop"
    assert opened.answer.stop_reason == "end_turn"
    assert clock.now - start == pytest.approx(5.0, abs=0.1)


async def test_chatter_after_the_finish_reason_does_not_put_off_the_end(clock: Clock) -> None:
    """wire D2, FINISHING: the grace counts from the finish reason, whatever comments come."""
    start = clock.now
    comments = [(1.0, b": keep-alive\n\n")] * 400
    opened = begun(clock, wire(finish("stop")), *comments)
    assert names(await pumped(opened, clock))[-1] == "message_stop"
    assert clock.now - start < 10


async def test_content_after_a_finish_reason_turns_the_grace_off(clock: Clock) -> None:
    """U10: gcli2api#403: servers that name a reason with every chunk, and pause between them."""
    a, b = (
        wire({"choices": [{"delta": {"content": word}, "finish_reason": "stop"}]})
        for word in (" a", " b")
    )
    opened = begun(clock, a, (4.0, b), (60.0, a), GOOD_END)
    batches = await pumped(opened, clock)
    assert text_of(opened, batches) == "Hi a b a"
    assert names(batches)[-1] == "message_stop"


async def test_late_usage_is_taken_within_the_grace(clock: Clock) -> None:
    """wire D2: keep reading for usage."""
    opened = begun(clock, wire(finish("stop")), (4.0, wire(usage(7, 3))))
    await pumped(opened, clock)
    counted = opened.answer.usage
    assert (counted.input_tokens, counted.output_tokens) == (7, 3)


@pytest.mark.parametrize(
    "end", [END, ApiError.bad_gateway(CUT_SHORT)], ids=["end of body", "cut connection"]
)
async def test_end_after_the_finish_reason_is_a_normal_one(clock: Clock, end: Item) -> None:
    """wire D7: EOF without `[DONE]` after a finish reason is a normal end."""
    opened = begun(clock, wire(finish("stop")), end)
    assert names(await pumped(opened, clock))[-1] == "message_stop"
    assert opened.answer.error is None


@pytest.mark.parametrize(
    "end", [END, ApiError.bad_gateway(CUT_SHORT)], ids=["end of body", "cut connection"]
)
async def test_end_before_a_finish_reason_is_an_error(clock: Clock, end: Item) -> None:
    """wire D7: never a fake end_turn."""
    opened = begun(clock, end)
    batches = await pumped(opened, clock)
    assert names(batches) == ["error"]
    error = opened.answer.error
    assert error is not None
    assert (error.stream_type, error.message) == ("api_error", CUT_SHORT)


async def test_silence_after_the_finish_reason_is_a_normal_end(clock: Clock) -> None:
    """Also where a backend's idle time is below FINISH_GRACE: the answer is whole."""
    start = clock.now
    opened = begun(clock, wire(finish("stop")), idle=4.0)
    assert names(await pumped(opened, clock))[-1] == "message_stop"
    assert opened.answer.error is None
    assert clock.now - start == pytest.approx(4.0, abs=0.1)


async def test_interrupted_answer_ends_in_an_error_that_clients_retry(clock: Clock) -> None:
    """wire D7: server shutdown."""
    opened = begun(clock, ApiError(529, "Gateway is restarting"))
    (frame,) = parse_sse(b"".join(map(to_bytes, await pumped(opened, clock))))
    assert frame.data["error"] == {
        "type": "overloaded_error",
        "message": "Gateway is restarting",
    }


async def test_answer_that_met_its_stop_sequence_ends_at_once(clock: Clock) -> None:
    """wire C8: what the backend still says is of no interest. F86."""
    start = clock.now
    opened = begun(
        clock, wire(text(" STOP and more")), stop_sequences=("STOP",), gateway_stops=("STOP",)
    )
    batches = await pumped(opened, clock)
    assert text_of(opened, batches).rstrip() == "Hi"
    assert clock.now == start
    assert opened.answer.stop_reason == "stop_sequence"


@pytest.mark.parametrize(
    ("written", "reply", "finishing", "patience"),
    [
        (100.0, 100.0, None, 15.0),
        (90.0, 100.0, None, 5.0),
        (100.0, -200.0, None, 10.0),
        (100.0, 100.0, 98.0, 3.0),
        (80.0, 100.0, None, 0.0),
        (100.0, 100.0, 90.0, 0.0),
    ],
)
def test_patience_lasts_until_the_first_clock_strikes(
    written: float, reply: float, finishing: float | None, patience: float
) -> None:
    timers = StreamTimers(310.0, 15.0, 5.0, Clock(), written, reply, finishing)
    assert timers.patience(100.0) == pytest.approx(patience)


def test_nothing_to_say_is_written_as_a_ping() -> None:
    """wire D8."""
    assert to_bytes([]) == b'event: ping\ndata: {"type":"ping"}\n\n'
