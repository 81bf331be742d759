"""How a gateway ends: running answers first, then those that take too long, then itself."""

import signal

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate

SERVERS = pytest.mark.parametrize("launcher", ["serve", "uvicorn"])


@pytest.fixture
def ending(launcher: str, start_gateway: Start, backend: FakeBackend) -> Gateway:
    """A gateway that may be ended, and that waits a second for running answers."""
    return start_gateway(launcher=launcher, DRAIN_SECONDS="1")


@SERVERS
def test_running_stream_may_finish(ending: Gateway, backend: FakeBackend) -> None:
    """Ours: a restart costs nobody an answer."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate, text("two"), finish("stop"), usage(5, 2))
    with ending.client.stream() as stream:
        stream.events_until("content_block_delta")
        ending.process.terminate()
        gate.open()
        assert stream.message()["content"] == [{"type": "text", "text": "one two"}]
    assert ending.wait_end() == 0


@SERVERS
def test_stream_that_takes_too_long_is_told_to_come_back(
    ending: Gateway, backend: FakeBackend
) -> None:
    """Observed client: repeats on this error; silence or a cut would lose the turn."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("one "), gate)
    with ending.client.stream() as stream:
        stream.events_until("content_block_delta")
        ending.process.terminate()
        error = stream.message()["error"]
    assert error == {"type": "overloaded_error", "message": "Gateway is restarting"}
    backend.only_call.wait_left()
    assert ending.wait_end() == 0


@SERVERS
def test_second_interrupt_ends_at_once(
    launcher: str, start_gateway: Start, backend: FakeBackend
) -> None:
    """Ours: whoever presses Ctrl-C twice means it."""
    gateway = start_gateway(launcher=launcher, DRAIN_SECONDS="300")
    gateway.forced = True
    backend.on(ALPHA).stream(role(), text("one "), Gate())
    with gateway.client.stream() as stream:
        stream.events_until("content_block_delta")
        gateway.process.send_signal(signal.SIGINT)
        gateway.wait_refusing()
        gateway.process.send_signal(signal.SIGINT)
        gateway.wait_end()
