"""Whatever a model, a backend or a client sends, the event loop goes on, on both servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.conftest import Start, let_rest
from tests.e2e.hostile_inputs import ARGUMENTS, ERROR_PAGES, MODEL_TEXT
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import arguments, call, finish, role, text, usage
from tests.fakes.gateway import Gateway
from tests.fakes.watchdog import Stalls, watching

MOST_STALL = 0.25
"""Seconds of CPU that a request of somebody else may have to wait for."""
MOST_MEMORY = 400 * 1024 * 1024
PIECE = 997
TOOL = {"name": "f", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}


@pytest.fixture(scope="module", params=["serve", pytest.param("uvicorn", marks=pytest.mark.slow)])
def server(request: pytest.FixtureRequest, launch_gateway: Start) -> Gateway:
    gateway = launch_gateway(request.param)
    gateway.client.messages(tools=[TOOL])
    return gateway


@dataclass(slots=True)
class Watched:
    """A gateway that is watched while it meets one input after the other."""

    gateway: Gateway
    stalls: Stalls

    def check(self, name: str) -> None:
        """Called after each input, whose name a failure shows."""
        assert self.stalls.failures == [], name
        assert self.stalls.longest < MOST_STALL, name
        assert self.stalls.memory < MOST_MEMORY, name


@pytest.fixture
def watched(server: Gateway, backend: FakeBackend) -> Iterator[Watched]:
    with watching(server) as stalls:
        subject = Watched(server, stalls)
        yield subject
    let_rest(server, backend)
    subject.check("the last input")


def pieces(whole: str) -> list[dict[str, Any]]:
    return [text(whole[start : start + PIECE]) for start in range(0, len(whole), PIECE)]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
def test_text_of_a_model(watched: Watched, backend: FakeBackend, stream: bool) -> None:
    for name, words in MODEL_TEXT.items():
        backend.on(ALPHA).answer(role(), *pieces(words), finish("stop"), usage(5, 9))
        answer = watched.gateway.client.messages(tools=[TOOL], stream=stream)
        assert answer.status == 200, name
        watched.check(name)


def test_arguments_of_a_call(watched: Watched, backend: FakeBackend) -> None:
    for name, written in ARGUMENTS.items():
        parts = [written[start : start + PIECE] for start in range(0, len(written), PIECE)]
        fragments = [arguments(0, part) for part in parts]
        backend.on(ALPHA).answer(
            role(), call(0, "c1", "f"), *fragments, finish("tool_calls"), usage(5, 9)
        )
        assert watched.gateway.client.messages(tools=[TOOL], stream=True).status == 200, name
        watched.check(name)


@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_error_page_of_a_backend(watched: Watched, backend: FakeBackend, kind: str) -> None:
    for name, page in ERROR_PAGES.items():
        body = json.dumps({"error": {"message": page}}) if kind.endswith("json") else page
        backend.on(ALPHA).raw(body, kind, 400)
        assert watched.gateway.client.messages().status >= 400, name
        watched.check(name)


def test_line_of_a_stream_without_end(watched: Watched, backend: FakeBackend) -> None:
    backend.on(ALPHA).stream("data: " + 4_000_000 * "x", split=1024)
    watched.gateway.client.messages(stream=True)


BODIES: dict[str, Callable[[], dict[str, Any]]] = {
    "a name of a megabyte": lambda: {"model": 1_000_000 * "m"},
    "a million stop sequences": lambda: {"stop_sequences": 1_000_000 * ["x"]},
    "tools": lambda: {"tools": [{"name": f"t{n}", "input_schema": {}} for n in range(100_000)]},
    "nodes": lambda: {"metadata": {"user_id": "u", "more": 3_000_000 * [[]]}},
    "one id for all calls": lambda: {
        "messages": [
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "same", "name": "f", "input": {}}
                    for _ in range(18_000)
                ],
            },
            {"role": "user", "content": "on"},
        ]
    },
    "results in reverse order": lambda: {
        "messages": [
            {"role": "user", "content": "go"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": f"c{n}", "name": "f", "input": {}}
                    for n in range(20_000)
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": f"c{n}", "content": "r"}
                    for n in reversed(range(20_000))
                ],
            },
        ]
    },
    "blocks": lambda: {
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x"}] * 1000} for _ in range(300)
        ]
    },
}


@pytest.mark.parametrize("fields", BODIES.values(), ids=list(BODIES))
def test_body_of_a_client(watched: Watched, fields: Callable[[], dict[str, Any]]) -> None:
    """Refused or served, never a fault of the gateway."""
    assert watched.gateway.client.messages(**fields()).status < 500


@pytest.mark.parametrize("depth", [480, 990, 100_000])
def test_depth_of_a_body(watched: Watched, depth: int) -> None:
    nested = "[" * depth + '"\\u0000"' + "]" * depth
    body = f'{{"model": "{ALPHA}", "max_tokens": 9, "messages": {nested}}}'.encode()
    assert watched.gateway.client.post("/v1/messages", body).status == 400
