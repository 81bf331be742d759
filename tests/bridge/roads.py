"""Requests that go down the road in this process, without a server in front of it."""

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import Any

from bridge.backends.breaker import Breaker
from bridge.relay.exchange import Call, Head
from bridge.relay.pipeline import relay
from bridge.runtime.gateway import Gateway
from tests.bridge.making import SECRET
from tests.fakes.client import ask
from tests.grammar import Event, check_stream, parse_sse

KEY = {"x-api-key": SECRET}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply."""

    head: Head
    body: bytes

    @property
    def status(self) -> int:
        return self.head.status

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, type and message of an error reply."""
        error = self.json["error"]
        return self.head.status, error["type"], error["message"]

    @property
    def events(self) -> list[Event]:
        return parse_sse(self.body)

    @property
    def message(self) -> Any:
        """The message of a checked event stream, or the payload of its error."""
        return check_stream(self.events)


def call(raw: bytes | None = None, headers: dict[str, str] | None = None, **fields: Any) -> Call:
    """A small request; `raw` is another body, `fields` go into the usual one."""
    body = json.dumps(ask(**fields)).encode() if raw is None else raw
    return Call("/v1/messages", KEY if headers is None else headers, body)


async def begin(engine: Gateway, asked: Call) -> tuple[Head, AsyncGenerator[Head | bytes]]:
    """The head of a reply, and the rest of it. The caller closes it."""
    parts = relay(engine.relay, asked)
    head = await anext(parts)
    assert isinstance(head, Head)
    return head, parts


async def piece(parts: AsyncGenerator[Head | bytes]) -> bytes:
    """The next piece of a body."""
    part = await anext(parts)
    assert isinstance(part, bytes), "a second head"
    return part


async def rest(parts: AsyncGenerator[Head | bytes]) -> bytes:
    """What is left of a body."""
    return b"".join([part async for part in parts if isinstance(part, bytes)])


async def answer_to(engine: Gateway, asked: Call) -> Answer:
    head, parts = await begin(engine, asked)
    return Answer(head, await rest(parts))


async def send(engine: Gateway, **fields: Any) -> Answer:
    return await answer_to(engine, call(**fields))


def configure(engine: Gateway, **changes: Any) -> None:
    """Other settings of the relay, from the next request on."""
    engine.relay.settings = replace(engine.relay.settings, **changes)


def configure_process(engine: Gateway, part: str, **changes: Any) -> None:
    """Other settings of one part of the process, from the next request on."""
    changed = replace(getattr(engine.settings, part), **changes)
    engine.settings = replace(engine.settings, **{part: changed})


def breaker(engine: Gateway) -> Breaker:
    """The breaker of the only backend."""
    return engine.health.of(engine.snapshot.routes.backends[0]).breaker
