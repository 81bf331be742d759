"""A whole probe against a server on a real socket, and what ends one early.

Issue text: a good server, one without tools, one that ignores the switch, one that refuses the key,
one that is not there.
"""

import asyncio
import json
from typing import Any

import pytest

from bridge.backends.client import BackendClient
from bridge.probe import run as running
from bridge.probe.check import Subject, known_facts
from bridge.probe.checks import CHECKS
from bridge.probe.limit_checks import HUGE
from bridge.probe.run import ProbeProgress, run
from bridge.probe.target import ProbeError, ProbeTarget
from bridge.translation.errors.api_error import ApiError
from bridge.translation.profiles import PROFILES, ModelFacts
from tests.bridge.making import SECRET, a_backend
from tests.bridge.ports import closed_port, deaf_port
from tests.bridge.probed import Model, refusal
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json, finish, text
from tests.fakes.replies import Call, Gate, Reply

Works = dict[str, bool | None]
ALL_GOOD: Works = {**dict.fromkeys((check.name for check in CHECKS), True), "stop_named": False}
TOOL_CHECKS = [
    "tools",
    "stream_tools",
    "parallel_tools",
    "tool_named",
    "tool_required",
    "tool_result",
    "user_after_tool",
]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PAUSE_SECONDS", 0.0)


def an_aim(url: str, key: str = SECRET, family: str = "llamacpp") -> ProbeTarget:
    backend = a_backend(url, family=family)
    return ProbeTarget(backend, Subject(ALPHA, PROFILES[family], ModelFacts(ALPHA)), key)


async def probe(
    upstream: BackendClient, backend: FakeBackend, **fields: Any
) -> list[ProbeProgress]:
    return [step async for step in run(upstream, an_aim(f"{backend.base_url}/v1", **fields))]


def works(steps: list[ProbeProgress]) -> Works:
    return {step.finding.check: step.finding.works for step in steps}


def facts(steps: list[ProbeProgress]) -> dict[str, Any]:
    return known_facts(step.finding for step in steps)


# --- whole probes -------------------------------------------------------------------------------


async def test_good_server_can_do_it_all(upstream: BackendClient, backend: FakeBackend) -> None:
    backend.on(ALPHA).each(Model())
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD
    assert facts(steps) == {"reasoning": True, "tools": True, "vision": True, "context": 8192}
    assert [step.done for step in steps] == list(range(1, len(CHECKS) + 1))
    assert {step.total for step in steps} == {len(CHECKS)}


async def test_one_request_for_each_check_that_asks(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """Issue text: about twenty tiny requests, with the key, to the model."""
    backend.on(ALPHA).each(Model())
    await probe(upstream, backend)
    assert len(backend.calls) == sum(check.build is not None for check in CHECKS)
    assert {call.header("authorization") for call in backend.calls} == {f"Bearer {SECRET}"}
    assert {call.model for call in backend.calls} == {ALPHA}
    assert max(len(call.raw) for call in backend.calls) < 3000


async def test_server_that_refuses_tools(upstream: BackendClient, backend: FakeBackend) -> None:
    backend.on(ALPHA).each(Model(tools="no"))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | dict.fromkeys(TOOL_CHECKS, False)
    assert facts(steps)["tools"] is False


async def test_server_that_drops_tools_in_silence(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """Ours: no call, free or forced, in any check."""
    backend.on(ALPHA).each(Model(tools="deaf"))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | dict.fromkeys(TOOL_CHECKS[:5], False)
    assert facts(steps)["tools"] is False


async def test_server_that_ignores_the_switch(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    backend.on(ALPHA).each(Model(heeds_toggle=False))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"reasoning_off": False}
    assert facts(steps)["reasoning"] is True


async def test_model_that_does_not_think(upstream: BackendClient, backend: FakeBackend) -> None:
    backend.on(ALPHA).each(Model(thinks=False))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"reasoning": False, "reasoning_off": None}
    assert "reasoning" not in facts(steps)


async def test_model_without_eyes_on_a_server_that_calls_it_its_own_fault(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """backends 1.4: a 500, which is not taken for trouble and not repeated."""
    backend.on(ALPHA).each(Model(images=False))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"image": False}
    assert facts(steps)["vision"] is False
    assert len([c for c in backend.calls if b'"image_url"' in c.raw]) == 1


async def test_what_is_said_of_key_and_address_is_not_in_the_evidence(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """Issue text: never a key, never the backend's host."""
    told = f"{SECRET} at {backend.base_url}, 127.0.0.1 port {backend.port}"

    def tell(request: Call) -> Any:
        return refusal(400, told) if "tools" in request.body else [text(told), finish("stop")]

    backend.on(ALPHA).each(tell)
    shown = " ".join(step.finding.evidence for step in await probe(upstream, backend))
    assert "[redacted]" in shown
    assert SECRET not in shown and "127.0.0.1" not in shown


# --- what is tried again ------------------------------------------------------------------------


def failing_at(mark: str, *failures: Reply) -> Any:
    """A good model, except that requests with this mark meet the failures first."""
    left = list(failures)

    def answer(request: Call) -> Any:
        return left.pop(0) if left and mark in json.dumps(request.body) else Model()(request)

    return answer


@pytest.mark.parametrize("status", [429, 500, 502, 503, 529])
async def test_moments_of_trouble_are_not_held_against_the_model(
    upstream: BackendClient, backend: FakeBackend, status: int
) -> None:
    backend.on(ALPHA).each(failing_at("BANANA", refusal(status, "busy")))
    assert works(await probe(upstream, backend)) == ALL_GOOD


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(500, False), (503, None), (429, None), (402, None), (403, None)],
)
async def test_lasting_trouble_is_a_no_only_where_it_is_the_answer(
    upstream: BackendClient, backend: FakeBackend, status: int, verdict: bool | None
) -> None:
    """Ours: who fails twice at the same request fails at it; who is busy says nothing."""
    backend.on(ALPHA).each(failing_at("file_data", *[refusal(status, "trouble")] * 2))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"pdf": verdict}
    (finding,) = (step.finding for step in steps if step.finding.check == "pdf")
    assert f"status {status}, trouble" in finding.evidence


@pytest.mark.parametrize(("wish", "wait"), [(None, 2.0), (7, 7.0), (3600, 15.0)])
def test_wait_before_the_second_try_is_the_servers_wish_within_reason(
    monkeypatch: pytest.MonkeyPatch, wish: int | None, wait: float
) -> None:
    monkeypatch.setattr(running, "PAUSE_SECONDS", 2.0)
    assert running._pause(ApiError(429, "busy", retry_after=wish)) == wait


async def test_connection_that_was_kept_too_long_is_made_anew(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """Observed backend: it promises to keep a connection and closes it behind a stream."""
    backend.on(ALPHA).each(failing_at("from 1 to 60", Reply((), None)))
    assert works(await probe(upstream, backend)) == ALL_GOOD


# --- what ends a run ----------------------------------------------------------------------------


async def reason(upstream: BackendClient, target: ProbeTarget) -> str:
    with pytest.raises(ProbeError) as stopped:
        async for _ in run(upstream, target):
            pass
    return str(stopped.value)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(("key", "told"), [(SECRET, "refused the key"), ("", "wants a key")])
async def test_refused_key_ends_the_run_at_once(
    upstream: BackendClient, backend: FakeBackend, status: int, key: str, told: str
) -> None:
    backend.on(ALPHA).error(status, f"no access with {SECRET}")
    said = await reason(upstream, an_aim(f"{backend.base_url}/v1", key))
    assert told in said
    assert (len(backend.calls), SECRET in said and bool(key)) == (1, False)


async def test_key_that_ends_on_the_way_ends_the_run(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    backend.on(ALPHA).each(failing_at("BANANA", refusal(401, "expired")))
    assert "refused the key" in await reason(upstream, an_aim(f"{backend.base_url}/v1"))


async def test_server_that_is_not_there(upstream: BackendClient) -> None:
    with closed_port() as port:
        said = await reason(upstream, an_aim(f"http://127.0.0.1:{port}/v1"))
    assert said == "Could not reach the backend (main)"


async def test_server_that_does_not_even_connect() -> None:
    hasty = BackendClient(connect_timeout=0.05)
    with deaf_port() as port:
        said = await reason(hasty, an_aim(f"http://127.0.0.1:{port}/v1"))
    await hasty.aclose()
    assert said == "Backend connection timed out (main)"


async def test_server_that_goes_on_the_way(upstream: BackendClient) -> None:
    """Issue text: a clear message, and no findings that are none."""
    with FakeBackend() as brief:
        brief.on(ALPHA).each(Model())
        steps = run(upstream, an_aim(f"{brief.base_url}/v1"))
        await anext(steps)
    with pytest.raises(ProbeError, match="Could not reach the backend"):
        async for _ in steps:
            pass


async def test_unknown_model_ends_the_run(upstream: BackendClient, backend: FakeBackend) -> None:
    backend.on(ALPHA).error(404, f"The model `{ALPHA}` does not exist.")
    said = await reason(upstream, an_aim(f"{backend.base_url}/v1"))
    assert said == f"The backend does not know the model {ALPHA}"


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (404, "Not Found", "check the base URL"),
        (402, "Insufficient credits", "Insufficient credits"),
        (400, "max_tokens is not supported", "max_tokens is not supported"),
        (503, "Loading model", "Loading model"),
        (500, "\x1b[31mout of memory", "out of memory"),
    ],
)
async def test_model_that_gives_no_plain_answer_is_asked_nothing_else(
    upstream: BackendClient, backend: FakeBackend, status: int, message: str, told: str
) -> None:
    backend.on(ALPHA).error(status, message)
    said = await reason(upstream, an_aim(f"{backend.base_url}/v1"))
    assert said.startswith("The model gave no plain answer") and told in said
    assert said.isprintable()
    assert len(backend.calls) <= 2


async def test_server_that_falls_silent_ends_the_run(
    upstream: BackendClient, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issue text: about a minute for a check; ours: not a minute for each of twenty."""
    target = an_aim(f"{backend.base_url}/v1")
    backend.on(ALPHA).answer(text("5"), finish("stop")).json({}, before=Gate())
    steps = run(upstream, target)
    first = await anext(steps)
    assert first.finding.works is True
    monkeypatch.setattr(running, "CHECK_SECONDS", 0.05)
    with pytest.raises(ProbeError, match="No answer to 3 checks in a row"):
        async for _ in steps:
            pass
    for call in backend.calls[1:]:
        await asyncio.to_thread(call.wait_left)


async def test_check_without_an_answer_in_time_is_one_of_many(
    upstream: BackendClient, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "CHECK_SECONDS", 1.0)
    backend.on(ALPHA).each(failing_at("file_data", Reply((Gate(),), 200)))
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"pdf": None}


async def test_limit_that_is_taken_is_left_at_its_first_words(
    upstream: BackendClient, backend: FakeBackend
) -> None:
    """Ours: nobody waits for a hundred million tokens."""
    endless = Reply((b"data: {}\n\n" * 100, Gate()), 200, (("content-type", "text/event-stream"),))

    def answer(request: Call) -> Any:
        body: Json = request.body
        return endless if body["max_tokens"] == HUGE else Model()(request)

    backend.on(ALPHA).each(answer)
    steps = await probe(upstream, backend)
    assert works(steps) == ALL_GOOD | {"limits": None}
    await asyncio.to_thread(backend.calls[-1].wait_left)
