"""Short ways to the things that most tests here need: backends, orders, answers, clocks."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bridge import process_settings
from bridge.backends.client import BackendClient
from bridge.process_settings import RelaySettings
from bridge.relay.attempt import Rebuild, UpstreamRequest
from bridge.routing.types import BackendConfig, Target
from bridge.translation.errors.api_error import Remedy
from bridge.translation.errors.from_backend import ErrorContext
from bridge.translation.facts import Fact
from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.schema import MessagesRequest, RequestLimits, read_request
from bridge.translation.request.translate import TranslationOptions, to_chat
from bridge.translation.response.stream_options import StreamOptions
from bridge.translation.response.translate import Answer
from tests.fakes.chunks import Json, frame

SECRET = "cpk_secret_of_the_caller"
BETA = "test/beta"
NOTHING: frozenset[Fact] = frozenset()


class Clock:
    """A steady clock that stands still until it is moved. `monotonic` makes it a `time` module."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_backend(
    url: str = "http://backend.test/v1",
    name: str = "main",
    models: Mapping[str, ModelFacts] | None = None,
    family: str = "generic",
    **fields: Any,
) -> BackendConfig:
    return BackendConfig(fields.pop("id", 1), name, url, PROFILES[family], models=models, **fields)


def facts(*names: str, **fields: Any) -> dict[str, ModelFacts]:
    """What a list of models tells, all of them alike."""
    return {name: ModelFacts(name, **fields) for name in names}


def a_target(model: str = "test/alpha", **fields: Any) -> Target:
    return Target(a_backend(**fields), model, ModelFacts(model))


def a_request(**fields: Any) -> MessagesRequest:
    body = {
        "model": "test/alpha",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "x"}],
    }
    return read_request(json.dumps(body | fields).encode(), RequestLimits())


def relay_settings(**changes: Any) -> RelaySettings:
    """The settings of the relay at their defaults, but for these."""
    return replace(process_settings.read().relay, **changes)


def options(**fields: Any) -> StreamOptions:
    known = {"message_id": "msg_1", "request_id": "req_1", "model": "test/alpha"}
    return StreamOptions(mint=lambda: "m" * 24, **{**known, **fields})


def rebuild_of(backend: BackendConfig, **fields: Any) -> Rebuild:
    """Makes the order of the same arguments once more, as a remedy wants it."""

    async def rebuild(remedy: Remedy) -> UpstreamRequest:
        outgoing = an_upstream_request(backend, learnt=frozenset(remedy.facts), **fields)
        if remedy.max_tokens is None:
            return outgoing
        return replace(outgoing, chat=outgoing.chat.with_max_tokens(remedy.max_tokens))

    return rebuild


def an_upstream_request(
    backend: BackendConfig, key: str = SECRET, learnt: frozenset[Fact] = NOTHING, **fields: Any
) -> UpstreamRequest:
    """An order for a small request; `fields` go into the request."""
    request = a_request(**fields)
    target = Target(backend, request.model, ModelFacts(request.model, learnt=learnt))
    chat = to_chat(request, request.model, backend.profile, target.facts, TranslationOptions())
    asked = ErrorContext(
        request.model,
        prompt_tokens=chat.prompt_tokens,
        max_tokens=request.max_tokens,
        added=chat.added,
        secrets=(key, backend.host),
        sent=chat.body,
    )
    return UpstreamRequest(target, chat, options(), asked, key, facts=target.facts)


def an_answer(**fields: Any) -> Answer:
    """The reading side of a stream, before its first byte."""
    return Answer(options(**fields), ErrorContext(), "text/event-stream")


def wire(*chunks: Json | str) -> bytes:
    """Chunks as a backend writes them; text goes out as it is."""
    exact = (c.encode() if isinstance(c, str) else frame(c, "test/alpha") for c in chunks)
    return b"".join(exact)


CHAT_BODY = b'{"model":"test/alpha","messages":[],"stream":true}'
SOME = 100_000


async def send(upstream: BackendClient, backend: BackendConfig, key: str = SECRET) -> bytes:
    """One chat request; the whole of its answer."""
    reply = await upstream.send(backend, key, CHAT_BODY)
    try:
        return await reply.read(SOME)
    finally:
        await reply.aclose()
