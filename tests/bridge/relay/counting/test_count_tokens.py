"""count_tokens: exact where the backend counts, and never at the price of an answer."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.relay.counting import count_tokens as counting
from bridge.relay.counting.count_tokens import count_tokens
from bridge.relay.counting.tokenizer import count_tokens as estimated
from bridge.routing.types import Target
from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import PROFILES
from tests.bridge.making import SECRET, an_upstream_request
from tests.bridge.ports import closed_port
from tests.bridge.roads import configure
from tests.fakes.backend import FakeBackend
from tests.fakes.replies import Gate

TOKENIZE = "/tokenize"


@pytest.fixture(autouse=True)
def exact_counts(engine: Gateway) -> None:
    configure(engine, exact_token_counts=True)


def target(engine: Gateway, family: str = "vllm", **fields: Any) -> Target:
    """The only backend, as a member of this family."""
    (known,) = engine.snapshot.routes.backends
    backend = replace(known, profile=PROFILES[family], **fields)
    return an_upstream_request(backend).target


async def count(engine: Gateway, goal: Target) -> int:
    return await count_tokens(engine.relay, goal, an_upstream_request(goal.backend).chat, SECRET)


async def guess(goal: Target) -> int:
    return await estimated(an_upstream_request(goal.backend).chat.body)


@pytest.mark.parametrize(
    ("family", "path", "answer"),
    [
        ("vllm", TOKENIZE, {"count": 4242, "max_model_len": 8192}),
        ("sglang", TOKENIZE, {"count": 4242}),
        ("llamacpp", "/v1/chat/completions/input_tokens", {"input_tokens": 4242}),
    ],
)
async def test_backend_that_can_count_is_asked(
    engine: Gateway, backend: FakeBackend, family: str, path: str, answer: Any
) -> None:
    """wire B10 and C9."""
    backend.route("POST", path).json(answer)
    assert await count(engine, target(engine, family)) == 4242
    (request,) = backend.requests_for(path)
    assert request.header("authorization") == f"Bearer {SECRET}"
    assert set(request.body) == {"model", "messages"}
    assert backend.calls == []


@pytest.mark.parametrize(
    "answer", [{}, {"count": 0}, {"count": "9"}, {"count": True}, {"count": None}, [], 7, "x"]
)
async def test_answer_without_a_number_is_replaced_by_our_own(
    engine: Gateway, backend: FakeBackend, answer: Any
) -> None:
    backend.route("POST", TOKENIZE).json(answer)
    goal = target(engine)
    assert await count(engine, goal) == await guess(goal)


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503])
async def test_refusal_is_no_failure(engine: Gateway, backend: FakeBackend, status: int) -> None:
    """wire A13: counting must not fail, and tells nothing about the backend's health."""
    backend.route("POST", TOKENIZE).json({"error": {"message": "no", "count": 9}}, status)
    goal = target(engine)
    assert await count(engine, goal) == await guess(goal)
    assert engine.health.of(goal.backend).breaker.failures == 0


async def test_page_of_markup_is_no_number(engine: Gateway, backend: FakeBackend) -> None:
    backend.route("POST", TOKENIZE).raw("<html>", "text/html")
    goal = target(engine)
    assert await count(engine, goal) == await guess(goal)


async def test_silent_backend_costs_a_moment_and_nothing_more(
    engine: Gateway, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LIMIT_SECONDS", 0.05)
    backend.route("POST", TOKENIZE).json({"count": 1}, before=Gate())
    goal = target(engine)
    assert await count(engine, goal) == await guess(goal)


async def test_backend_that_is_down_is_counted_for(engine: Gateway) -> None:
    with closed_port() as port:
        goal = target(engine, url=f"http://127.0.0.1:{port}/v1")
        assert await count(engine, goal) == await guess(goal)


@pytest.mark.parametrize(("family", "exact"), [("vllm", False), ("generic", True)])
async def test_backend_is_not_asked_unless_it_can_and_the_operator_wants(
    engine: Gateway, backend: FakeBackend, family: str, exact: bool
) -> None:
    """wire F129: no backend call in estimate mode."""
    configure(engine, exact_token_counts=exact)
    goal = target(engine, family)
    assert await count(engine, goal) == await guess(goal)
    assert backend.requests == []
