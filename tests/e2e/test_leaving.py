"""Clients that leave: the backend is told at once, in both modes and in every phase."""

import pytest

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, arguments, call, finish, reasoning, role, text, usage
from tests.fakes.client import MESSAGES, ask, leave
from tests.fakes.gateway import Gateway
from tests.fakes.replies import Gate

TOOLS = [{"name": "Bash", "input_schema": {"type": "object"}}]
PHASES: dict[str, tuple[Json, ...]] = {
    "before anything came": (),
    "after the empty first chunk": (role(),),
    "in reasoning": (role(), reasoning("Hm")),
    "in text": (role(), text("He")),
    "in a tool call": (role(), call(0, "call_1", "Bash"), arguments(0, '{"a":')),
    "after the finish": (role(), text("Hello"), finish("stop")),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
def test_client_that_leaves_before_the_head_ends_the_call(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Ours: nobody pays for an answer that nobody reads. S21."""
    gate = Gate()
    backend.on(ALPHA).json({}, before=gate)
    connection = gateway.client.send("POST", MESSAGES, ask(stream=streamed))
    gate.wait_reached()
    leave(connection)
    backend.only_call.wait_left()


@pytest.mark.parametrize("steps", list(PHASES.values()), ids=list(PHASES))
def test_client_that_leaves_a_stream_ends_the_call(
    gateway: Gateway, backend: FakeBackend, steps: tuple[Json, ...]
) -> None:
    """Ours: whatever the phase. S21. F98."""
    gate = Gate()
    backend.on(ALPHA).stream(*steps, gate, done=False)
    connection = gateway.client.send("POST", MESSAGES, ask(stream=True, tools=TOOLS))
    gate.wait_reached()
    leave(connection)
    backend.only_call.wait_left()


def test_client_that_leaves_in_mid_body_ends_a_plain_call(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: also when the backend streams what is to be one message."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), text("He"), gate)
    connection = gateway.client.send("POST", MESSAGES, ask())
    gate.wait_reached()
    leave(connection)
    backend.only_call.wait_left()


def test_client_that_reads_and_leaves_is_no_failure_of_the_backend(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: a breaker that counted these would open on impatient users."""
    for _ in range(6):
        backend.reset()
        gate = Gate()
        backend.on(ALPHA).stream(role(), text("He"), gate)
        with gateway.client.stream() as stream:
            stream.events_until("content_block_delta")
            stream.leave()
        backend.only_call.wait_left()
    assert gateway.client.get("/health").status == 200
    assert gateway.client.messages(model="test/beta").status == 200


def test_finished_answer_leaves_its_connection_for_the_next(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: closing is for those who left; others share connections."""
    backend.on(ALPHA).stream(role(), text("Hello"), finish("stop"), usage(1, 1))
    for _ in range(2):
        with gateway.client.stream() as stream:
            assert stream.message()["stop_reason"] == "end_turn"
    for call_ in backend.calls:
        call_.wait_answered()
        assert not call_.left.is_set()
