"""Backends that are silent: the stream begins and is kept alive. Intervals here are one second."""

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, failure, finish, reasoning, role, text, usage
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate

REST = (text("Hello"), finish("stop"), usage(5, 2))


@pytest.mark.parametrize(
    "noise", [(), (role(),), (": still here\n\n",)], ids=["nothing", "an empty chunk", "comments"]
)
def test_silent_backend_is_covered_by_start_and_pings(
    strict_gateway: Gateway, backend: FakeBackend, noise: tuple[Json | str, ...]
) -> None:
    """Observed clients: give up after minutes without a byte, proxies after one. S22, F97."""
    gate = Gate()
    backend.on(ALPHA).stream(*noise, gate, *REST)
    with strict_gateway.client.stream() as stream:
        names = [stream.next_event().name for _ in range(4)]
        assert names == ["message_start", "ping", "ping", "ping"]
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "Hello"}]


def test_pings_come_between_two_deltas(strict_gateway: Gateway, backend: FakeBackend) -> None:
    """API documentation: a ping may come anywhere."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), reasoning("Hm"), gate, *REST)
    with strict_gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        assert [stream.next_event().name for _ in range(2)] == ["ping", "ping"]
        gate.open()
        assert stream.message()["stop_reason"] == "end_turn"


def test_error_after_the_start_is_an_event(strict_gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: once a stream has begun there is no other place for it."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate, failure("overloaded", 503))
    with strict_gateway.client.stream() as stream:
        stream.events_until("ping")
        gate.open()
        message = stream.message()
    assert (stream.status, message["error"]["type"]) == (200, "overloaded_error")


def test_silent_end_after_the_start_asks_for_another_try(
    strict_gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed client: repeats a stream that was overloaded before its first word."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate, done=False)
    with strict_gateway.client.stream() as stream:
        stream.events_until("ping")
        gate.open()
        error = stream.message()["error"]
    assert error["type"] == "overloaded_error"
    assert error["message"] == "Backend closed the stream before finishing"
