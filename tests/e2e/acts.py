"""What may become of a request, as acts in front of a gateway with two backends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import call, failure, finish, reasoning, role, text, usage
from tests.fakes.client import MESSAGES, RawClient, ask, leave
from tests.fakes.crowd import SESSION
from tests.fakes.gateway import Gateway
from tests.fakes.replies import End, Gate

BASH = [{"name": "Bash", "input_schema": {"type": "object", "properties": {"a": {}}}}]
SMALL = "test/small"
GOOD = (
    role(),
    reasoning("Hm"),
    text("Hello"),
    finish("stop"),
    usage(
        100,
        20,
        prompt_tokens_details={"cached_tokens": 60},
        completion_tokens_details={"reasoning_tokens": 7},
    ),
)


@dataclass(slots=True)
class Stage:
    """The gateway, its backends, and a key of its own."""

    gateway: Gateway
    main: FakeBackend
    spare: FakeBackend
    key: str

    def ask(self, name: str, key: str | None = None, **fields: Any) -> int:
        """Send a request under this name; the answer's status."""
        body = {"model": "claude-sonnet-5", **fields}
        return self.client(key).messages({SESSION: name, "user-agent": "probe/1"}, **body).status

    def client(self, key: str | None = None) -> RawClient:
        return self.gateway.with_key(self.key if key is None else key)


Act = Callable[[Stage, str], int | None]
ACTS: dict[str, Act] = {}
"""What happens, by name. The result is the status that the client saw, None for one that left."""


def act(play: Act) -> Act:
    ACTS[play.__name__] = play
    return play


@act
def answered(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).answer(*GOOD)
    return stage.ask(name, metadata={"user_id": "u"}, top_k=5)


@act
def streamed(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).answer(*GOOD)
    return stage.ask(name, stream=True)


@act
def abandoned(stage: Stage, name: str) -> None:
    gate = Gate()
    stage.main.on(ALPHA).stream(role(), text("Hello there, and on it goes"), gate)
    body = ask("A question of some words.", stream=True)
    with stage.client().open("POST", MESSAGES, body, {SESSION: name}) as stream:
        stream.events_until("content_block_delta")
        stream.leave()
    stage.main.only_call.wait_left()


@act
def left_at_once(stage: Stage, name: str) -> None:
    gate = Gate()
    stage.main.on(ALPHA).json({}, before=gate)
    connection = stage.client().send("POST", MESSAGES, ask(), {SESSION: name})
    gate.wait_reached()
    leave(connection)
    stage.main.only_call.wait_left()


@act
def bad_key(stage: Stage, name: str) -> int:
    return stage.ask(name, key="gwk_nobody")


@act
def no_key(stage: Stage, name: str) -> int:
    return stage.ask(name, key="")


@act
def vendor_key(stage: Stage, name: str) -> int:
    return stage.ask(name, key="sk-ant-api03-abc")


@act
def bad_request(stage: Stage, name: str) -> int:
    return stage.ask(name, max_tokens=-1)


@act
def no_json(stage: Stage, name: str) -> int:
    return stage.client().post(MESSAGES, b"{", {SESSION: name}).status


@act
def too_large(stage: Stage, name: str) -> int:
    return stage.ask(name, system="x" * 30_000)


@act
def strange_encoding(stage: Stage, name: str) -> int:
    headers = {SESSION: name, "content-encoding": "br"}
    return stage.client().post(MESSAGES, ask(), headers).status


@act
def unknown_model(stage: Stage, name: str) -> int:
    return stage.ask(name, model="nobody/knows")


@act
def failed(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).error(500, "boom")
    return stage.ask(name)


@act
def cut(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).stream(role(), text("Hello there"), End.RESET)
    return stage.ask(name, stream=True)


@act
def cut_in_plain(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).stream(role(), text("Hello there"), End.CLOSE)
    return stage.ask(name)


@act
def overloaded(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).stream(role(), text("He"), failure("too many", 503))
    return stage.ask(name, stream=True)


@act
def retried(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).error(429, "slow down", {"retry-after": "0"}).answer(*GOOD)
    return stage.ask(name)


@act
def refused_field(stage: Stage, name: str) -> int:
    stage.main.on("test/beta").error(400, "Unrecognized field: stream_options").answer(*GOOD)
    return stage.ask(name, model="test/beta", stream=True)


@act
def fallback(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).error(500, "boom")
    stage.spare.on(ALPHA).answer(*GOOD)
    return stage.ask(name, model="fast", stream=True)


@act
def fallback_in_vain(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).error(500, "boom")
    stage.spare.on(ALPHA).error(429, "not now")
    return stage.ask(name, model="fast")


@act
def clamped(stage: Stage, name: str) -> int:
    return stage.ask(name, model=SMALL, max_tokens=100_000)


@act
def repaired(stage: Stage, name: str) -> int:
    stage.main.on(ALPHA).answer(
        role(), call(0, "call_1", "Bash", '{"a": "x"'), finish("tool_calls"), usage(5, 2)
    )
    return stage.ask(name, tools=BASH)


@act
def warmed_up(stage: Stage, name: str) -> int:
    return stage.ask(name, max_tokens=0)


@act
def counted(stage: Stage, name: str) -> int:
    path = f"{MESSAGES}/count_tokens"
    return stage.client().post(path, ask(model="claude-sonnet-5"), {SESSION: name}).status
