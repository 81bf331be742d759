"""What the gateway tries again by itself, what it gives up on, and when it stops asking."""

import pytest

from tests.conftest import Start
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])


@BOTH
def test_short_wait_is_taken_over_by_the_gateway(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Ours, kept from earlier gateways: a second's wait is cheaper here than at the client.

    F116, P15, S5.
    """
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "1"}).answer(*HELLO)
    assert gateway.client.messages(stream=streamed).status == 200
    first, second = backend.calls
    assert first.raw == second.raw


@BOTH
def test_second_refusal_is_passed_on(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Ours: one retry; clients have their own."""
    backend.on(ALPHA).error(429, "slow down", {"retry-after": "1"})
    response = gateway.client.messages(stream=streamed)
    assert (response.status, response.headers["retry-after"]) == (429, "1")
    assert len(backend.calls) == 2


@pytest.mark.parametrize(
    ("status", "streamed"), [(408, False), (409, True), (425, False), (502, True), (503, False)]
)
def test_passing_failure_is_tried_once_more(
    gateway: Gateway, backend: FakeBackend, status: int, streamed: bool
) -> None:
    """Ours: these say that nothing was done yet."""
    backend.on(ALPHA).error(status).answer(*HELLO)
    assert gateway.client.messages(stream=streamed).status == 200
    assert len(backend.calls) == 2


@pytest.mark.parametrize("status", [400, 401, 402, 403, 413, 422, 500, 504, 529])
def test_other_failure_is_not_tried_again(
    gateway: Gateway, backend: FakeBackend, status: int
) -> None:
    """Ours: the work may be running, or will fail again."""
    backend.on(ALPHA).error(status)
    assert gateway.client.messages().status != 200
    assert len(backend.calls) == 1


@BOTH
def test_answer_that_does_not_fit_is_asked_for_again_shorter(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """Observed backends: prompt fits, prompt and answer together do not. F124."""
    said = (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens "
        "(3000 in the messages, 2000 in the completion). Please reduce the length of the messages."
    )
    backend.on(ALPHA).error(400, said).answer(*HELLO)
    assert gateway.client.messages(max_tokens=2000, stream=streamed).status == 200
    assert [call.body["max_tokens"] for call in backend.calls] == [2000, 4096 - 3000 - 32]


def test_refused_stream_options_are_left_out_and_remembered(
    strict_gateway: Gateway, backend: FakeBackend
) -> None:
    """Observed backends: old ones refuse the field. S3, F126."""
    backend.on("test/small").error(400, "Unrecognized field: stream_options").answer(*HELLO)
    for _ in range(2):
        with strict_gateway.client.stream(model="test/small") as stream:
            assert stream.message()["content"] == [{"type": "text", "text": "Hello"}]
    sent = ["stream_options" in call.body for call in backend.calls]
    assert sent == [True, False, False]


def test_callers_errors_never_open_the_breaker(gateway: Gateway, backend: FakeBackend) -> None:
    """Ours: one caller with a bad key must not shut out the others. S20."""
    for status in (400, 401, 403, 404, 413, 422, 429):
        backend.on(ALPHA).error(status, f"The model `{ALPHA}` does not exist.")
        gateway.client.messages()
        backend.reset()
    assert gateway.client.get("/health").status == 200
    assert gateway.client.messages().status == 200


def test_breaker_opens_after_five_failures_in_a_row(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """Ours, kept from earlier gateways; observed client: waits as retry-after says.

    R10, S20, F114.
    """
    gateway = start_gateway()
    backend.on(ALPHA).error(500, "boom")
    for _ in range(4):
        assert gateway.client.messages().status == 500
    assert gateway.client.get("/health").status == 200
    assert gateway.client.messages(stream=True).status == 500
    for streamed in (False, True):
        refused = gateway.client.messages(stream=streamed)
        assert refused.status == 529
        assert check_error(refused.json)["error"] == {
            "type": "overloaded_error",
            "message": "Backend is temporarily unavailable (circuit breaker open)",
        }
        assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert len(backend.calls) == 5
    assert gateway.client.get("/health").status == 503
    assert (
        gateway.client.post(
            "/v1/messages/count_tokens",
            {"model": ALPHA, "messages": [{"role": "user", "content": "hi"}]},
        ).status
        == 200
    )


def test_success_between_failures_keeps_the_breaker_closed(
    gateway: Gateway, backend: FakeBackend
) -> None:
    """Ours: only failures in a row count."""
    for _ in range(3):
        backend.reset()
        backend.on(ALPHA).error(500)
        assert [gateway.client.messages().status for _ in range(3)] == [500] * 3
        assert gateway.client.messages(model="test/beta").status == 200
    assert gateway.client.get("/health").status == 200
