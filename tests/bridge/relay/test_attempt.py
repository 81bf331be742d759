"""Sending an order to a real backend, with the one second chance. wire E2 column R, E7."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bridge.backends.client import BackendClient
from bridge.relay import attempt
from bridge.relay.attempt import OpenReply, open_answer
from bridge.relay.trace import Trace
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import refuses
from tests.bridge.making import an_upstream_request, rebuild_of, relay_settings
from tests.bridge.outbound.serving import serving
from tests.bridge.ports import closed_port
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, role, text, usage
from tests.fakes.replies import Gate

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between two tries."""
    monkeypatch.setattr(attempt, "PAUSE_RANGE", (0.0, 0.0))


class Sender:
    """Opens answers of one backend, and closes them in the end."""

    def __init__(self, upstream: BackendClient, main: BackendConfig) -> None:
        self._upstream, self.main = upstream, main
        self._opened: list[OpenReply] = []
        self.settings = relay_settings()
        self.trace = Trace(time.monotonic)

    async def open(self, backend: BackendConfig | None = None, **fields: Any) -> OpenReply:
        given = {"stream": True, **fields}
        outgoing = an_upstream_request(backend or self.main, **given)
        rebuild = rebuild_of(backend or self.main, **given)
        opened = await open_answer(self._upstream, self.settings, outgoing, self.trace, rebuild)
        self._opened.append(opened)
        return opened

    async def failure(self, **fields: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            await self.open(**fields)
        return caught.value

    async def aclose(self) -> None:
        for opened in self._opened:
            await opened.aclose()


@pytest.fixture
async def sender(upstream: BackendClient, main: BackendConfig) -> AsyncIterator[Sender]:
    sender = Sender(upstream, main)
    yield sender
    await sender.aclose()


async def test_answer_is_open_once_there_is_something_to_show(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire D2, WAIT_FIRST: an empty first chunk is not meaningful, text is."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate, *GOOD[1:])
    opening = asyncio.create_task(sender.open())
    await asyncio.to_thread(gate.wait_reached)
    await asyncio.wait_for(sender.trace.accepted, 5.0)
    assert not opening.done()
    gate.open()
    opened = await opening
    assert opened.events
    assert sender.trace.attempts == 1
    assert sender.trace.headers_at is not None


@pytest.mark.parametrize("status", [408, 409, 424, 425, 502, 503])
async def test_passing_failure_is_tried_once_more(
    sender: Sender, backend: FakeBackend, status: int
) -> None:
    """wire E2, column R."""
    backend.on(ALPHA).error(status).answer(*GOOD)
    await sender.open()
    assert (len(backend.calls), sender.trace.attempts) == (2, 2)
    assert len(sender.trace.remedies) == 1
    assert backend.calls[0].raw == backend.calls[1].raw


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 500, 501, 504, 529])
async def test_other_failure_is_not_tried_again(
    sender: Sender, backend: FakeBackend, status: int
) -> None:
    backend.on(ALPHA).error(status).answer(*GOOD)
    await sender.failure()
    assert len(backend.calls) == 1


async def test_error_whose_body_stalls_is_told_by_its_status(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "ERROR_SECONDS", 0.01)

    async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 500 Oh\r\ncontent-length: 5000\r\n\r\n{"error"')
        await reader.read(-1)  # to its end: the connection goes with the reply

    async with serving(stalling) as server:
        error = await sender.failure(backend=replace(sender.main, url=server.url))
    assert error.status == 500


async def test_short_wait_is_waited_for(sender: Sender, backend: FakeBackend) -> None:
    """wire F116, with the shortest wait there is."""
    backend.on(ALPHA).error(429, headers={"retry-after": "0"}).answer(*GOOD)
    await sender.open()
    assert len(backend.calls) == 2


async def test_there_is_one_second_chance_whatever_its_reason(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire E7: at most one gateway retry per request."""
    backend.on(ALPHA).error(503).error(429, headers={"retry-after": "0"}).answer(*GOOD)
    assert (await sender.failure()).status == 429
    assert len(backend.calls) == 2


async def test_backend_that_cannot_be_reached_is_tried_twice(
    sender: Sender, main: BackendConfig
) -> None:
    """wire E2, first row: connect stage."""
    with closed_port() as port:
        url = f"http://127.0.0.1:{port}/v1"
        gone = BackendConfig(1, "main", url, main.profile)
        with pytest.raises(ApiError):
            await sender.open(gone)
    assert sender.trace.attempts == 2


async def test_refused_field_is_left_out(sender: Sender, backend: FakeBackend) -> None:
    """wire E2, row 400 naming a field the gateway added; F126."""
    backend.on(ALPHA).error(400, "Unknown field: stream_options").answer(*GOOD)
    opened = await sender.open()
    first, second = (call.body for call in backend.calls)
    assert first.pop("stream_options") == {"include_usage": True}
    assert second == first
    assert [facts for facts, _ in opened.learned] == [refuses("stream_options")]
    assert sender.trace.remedies == ["without stream_options"]


@pytest.mark.parametrize(
    ("second", "calls", "learnt"),
    [
        ("parallel_tool_calls", 3, [refuses("stream_options")]),
        ("stream_options", 2, []),
    ],
    ids=["another field", "the same field"],
)
async def test_field_counts_as_refused_when_it_was_not_blamed_again(
    sender: Sender, backend: FakeBackend, second: str, calls: int, learnt: list[Any]
) -> None:
    """Each refusal is mended once; what was learnt serves the next request."""
    for name in ("stream_options", second):
        backend.on(ALPHA).error(400, f"Unknown field: {name}")
    tool = {"name": "f", "input_schema": {"type": "object"}}
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    error = await sender.failure(tools=[tool], tool_choice=choice)
    assert (error.status, len(backend.calls)) == (400, calls)
    assert [facts for facts, _ in error.learned] == learnt


async def test_answer_that_does_not_fit_is_asked_for_shorter(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire E4 and F124: max_tokens = M - N - 32."""
    message = (
        "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens"
        " (3000 in the messages, 2000 in the completion)."
    )
    backend.on(ALPHA).error(400, message).answer(*GOOD)
    await sender.open(max_tokens=2000)
    assert [call.body["max_tokens"] for call in backend.calls] == [2000, 1064]
    assert sender.trace.remedies == ["max_tokens 1064"]


async def test_error_as_the_first_chunk_counts_as_a_refusal(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire D2, WAIT_FIRST: an error object is an ordinary error with its status."""
    backend.on(ALPHA).stream(failure("overloaded", 503)).answer(*GOOD)
    await sender.open()
    assert len(backend.calls) == 2


async def test_error_behind_the_first_words_is_not_tried_again(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire E7: only before commit."""
    backend.on(ALPHA).stream(text("He"), failure("overloaded", 503)).answer(*GOOD)
    await sender.open()
    assert len(backend.calls) == 1


async def test_backend_that_says_nothing_for_too_long_is_given_up(
    sender: Sender, backend: FakeBackend
) -> None:
    """wire D7: IDLE_TIMEOUT; here before the first word."""
    sender.settings = relay_settings(idle_timeout=0.05)
    backend.on(ALPHA).stream(role(), Gate())
    error = await sender.failure()
    assert (error.status, error.type, error.blames_backend) == (504, "timeout_error", True)
    await asyncio.to_thread(backend.only_call.wait_left)


@pytest.mark.parametrize(("own", "seconds"), [(None, 0.05), (0.06, 0.06)])
async def test_patience_of_the_backend_goes_before_the_general_one(
    sender: Sender,
    main: BackendConfig,
    backend: FakeBackend,
    own: float | None,
    seconds: float,
) -> None:
    """backends.py, idle_seconds: the longest silence; empty as IDLE_TIMEOUT says."""
    sender.settings = relay_settings(idle_timeout=0.05)
    backend.on(ALPHA).stream(*GOOD)
    opened = await sender.open(replace(main, idle=own))
    assert opened.idle == seconds


async def test_no_second_try_while_others_are_left(
    upstream: BackendClient, sender: Sender, main: BackendConfig, backend: FakeBackend
) -> None:
    """targets.py: the next target is the better second try; a remedy stays where it belongs."""
    backend.on(ALPHA).error(503).error(400, "Unknown field: stream_options").answer(*GOOD)
    outgoing = an_upstream_request(main, stream=True)
    asked = (
        upstream,
        sender.settings,
        outgoing,
        sender.trace,
        rebuild_of(main, stream=True),
    )
    with pytest.raises(ApiError):
        await open_answer(*asked, others_left=True)
    assert len(backend.calls) == 1
    opened = await open_answer(*asked, others_left=True)
    await opened.aclose()
    assert len(backend.calls) == 3


async def test_cancelled_opening_closes_the_backend(sender: Sender, backend: FakeBackend) -> None:
    """Ours."""
    gate = Gate()
    backend.on(ALPHA).stream(role(), gate)
    opening = asyncio.create_task(sender.open())
    await asyncio.to_thread(gate.wait_reached)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    await asyncio.to_thread(backend.only_call.wait_left)


async def test_input_is_not_changed_by_a_second_try(
    sender: Sender, upstream: BackendClient, main: BackendConfig, backend: FakeBackend
) -> None:
    """design, Layout: inputs are not mutated, since a retry translates again."""
    backend.on(ALPHA).error(400, "Unknown field: stream_options").answer(*GOOD)
    outgoing = an_upstream_request(main, stream=True)
    before = dict(outgoing.chat.body)
    rebuild = rebuild_of(main, stream=True)
    opened = await open_answer(upstream, sender.settings, outgoing, sender.trace, rebuild)
    await opened.aclose()
    assert outgoing.chat.body == before
