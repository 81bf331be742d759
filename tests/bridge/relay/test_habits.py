"""Habits of servers from public reports: refused once, mended at once, respected from then on.

Each test is one kind of report; its name says what users met. Both modes, over the whole road.
"""

from __future__ import annotations

import pytest

from bridge.ledger.record import Record
from bridge.runtime.gateway import Gateway
from bridge.translation.profiles import PROFILES
from tests.bridge.pairs import with_main
from tests.bridge.roads import Answer, configure, send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import finish, role, text, usage
from tests.shapes import Json

GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
TOOL = {"name": "Bash", "input_schema": {"type": "object", "properties": {}}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
SEEN = [{"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE]}]
CALL = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "ok"}
TURN: list[Json] = [
    {"role": "user", "content": "go"},
    {"role": "assistant", "content": [CALL]},
    {"role": "user", "content": [RESULT]},
]
DEMAND = "thinking is enabled but reasoning_content is missing in assistant tool call message at 1"


def bodies(backend: FakeBackend) -> list[Json]:
    return [call.body for call in backend.calls]


def is_good(answer: Answer) -> bool:
    streamed = "event-stream" in answer.head.headers["content-type"]
    message = answer.message if streamed else answer.json
    return answer.status == 200 and bool(message["content"])


@BOTH
async def test_answer_longer_than_the_model_writes_is_asked_for_shorter_and_never_so_again(
    engine: Gateway, backend: FakeBackend, records: list[Record], stream: bool
) -> None:
    """A2: DeepSeek, DashScope, Groq. The next request meets no refusal, and its record says why."""
    refusal = "Invalid max_tokens value, the valid range of max_tokens is [1, 9000]"
    backend.on(ALPHA).error(400, refusal).answer(*GOOD)
    for _ in range(2):
        assert is_good(await send(engine, stream=stream, max_tokens=32000))
    assert [body["max_tokens"] for body in bodies(backend)] == [32000, 9000, 9000]
    assert records[0].remedies == ["max_output 9000"]
    assert records[1].learnt == ["max_output 9000"]


@BOTH
async def test_other_name_of_the_limit_is_learnt(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """A2: a reasoning model behind an address of its own."""
    refusal = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    backend.on(ALPHA).error(400, refusal).answer(*GOOD)
    for _ in range(2):
        assert is_good(await send(engine, stream=stream))
    names = [set(body) & {"max_tokens", "max_completion_tokens"} for body in bodies(backend)]
    assert names == [{"max_tokens"}, {"max_completion_tokens"}, {"max_completion_tokens"}]


@BOTH
async def test_refused_images_become_placeholders(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """A7: the session goes on, and the header names what the model did not see."""
    backend.on(ALPHA).error(400, "unknown variant `image_url`, expected `text`").answer(*GOOD)
    for _ in range(2):
        answer = await send(engine, stream=stream, messages=SEEN)
        assert is_good(answer)
        assert answer.head.headers["x-gateway-dropped"] == "image"
    assert len(bodies(backend)) == 3
    assert isinstance(bodies(backend)[1]["messages"][0]["content"], str)


@BOTH
async def test_operator_may_want_the_refusal_of_images(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    configure(engine, images_on_text_model="error")
    backend.on(ALPHA).error(400, "This model does not support image input")
    answer = await send(engine, stream=stream, messages=SEEN)
    assert (answer.status, len(bodies(backend))) == (400, 1)
    assert answer.error[2].startswith("Could not process image: ")


@BOTH
async def test_reasoning_that_is_demanded_is_sent_from_then_on(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """A6: Kimi and DeepSeek behind any address; a stand-in where the thinking is gone."""
    backend.on(ALPHA).error(400, DEMAND).answer(*GOOD)
    for _ in range(2):
        assert is_good(await send(engine, stream=stream, messages=TURN, tools=[TOOL]))
    fields = [body["messages"][1].get("reasoning_content") for body in bodies(backend)]
    assert fields[0] is None and fields[1] and fields[1] == fields[2]


@BOTH
async def test_refused_choice_beside_thinking_is_made_without_thinking(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """B12: where the family can switch thinking off; without force where that is refused too."""
    with_main(engine, profile=PROFILES["zai"])
    refusal = "Thinking mode does not support this tool_choice"
    backend.on(ALPHA).error(400, refusal).error(400, refusal).answer(*GOOD)
    choice = {"type": "any"}
    answer = await send(engine, stream=stream, tools=[TOOL], tool_choice=choice)
    assert is_good(answer)
    sent = [(body["tool_choice"], body.get("thinking")) for body in bodies(backend)]
    off = {"type": "disabled"}
    assert sent == [("required", None), ("required", off), ("auto", None)]
    assert answer.head.headers["x-gateway-dropped"] == "tool_choice"


@BOTH
async def test_refused_temperature_goes_and_is_named(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """C11: nobody can change it inside an agent."""
    refusal = "Unsupported value: 'temperature' does not support 0.2. Only the default (1) is."
    backend.on(ALPHA).error(400, refusal).answer(*GOOD)
    for _ in range(2):
        answer = await send(engine, stream=stream, temperature=0.2)
        assert is_good(answer)
        assert answer.head.headers["x-gateway-dropped"] == "temperature"
    assert ["temperature" in body for body in bodies(backend)] == [True, False, False]


async def test_model_that_only_streams_is_folded(engine: Gateway, backend: FakeBackend) -> None:
    """C10."""
    backend.on(ALPHA).error(400, "This model only supports stream mode").answer(*GOOD)
    for _ in range(2):
        assert is_good(await send(engine))
    assert [body["stream"] for body in bodies(backend)] == [False, True, True]


@BOTH
async def test_schema_that_a_grammar_cannot_take_is_narrowed(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """C2: LM Studio says 500."""
    refusal = "Failed to initialize samplers: failed to parse grammar"
    backend.on(ALPHA).error(500, refusal).answer(*GOOD)
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?!x)"}}}
    tool = {"name": "Bash", "input_schema": schema}
    assert is_good(await send(engine, stream=stream, tools=[tool]))
    sent = [body["tools"][0]["function"]["parameters"] for body in bodies(backend)]
    assert sent == [schema, {"type": "object", "properties": {"a": {"type": "string"}}}]


@BOTH
async def test_several_habits_of_a_new_model_are_learnt_by_one_request(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    script = backend.on(ALPHA).error(400, "max_tokens must be less than or equal to 4000")
    script.error(400, "Unknown field: temperature").answer(*GOOD)
    assert is_good(await send(engine, stream=stream, max_tokens=9000, temperature=1))
    assert is_good(await send(engine, stream=stream, max_tokens=9000, temperature=1))
    assert len(bodies(backend)) == 4


@BOTH
async def test_refusal_that_stays_is_worded_by_the_request_that_met_it_first(
    engine: Gateway, backend: FakeBackend, stream: bool
) -> None:
    """Behind placeholders the backend says the same; Claude Code acts on the first wording."""
    backend.on(ALPHA).error(400, "unknown variant `image_url`, expected `text`")
    answer = await send(engine, stream=stream, messages=SEEN)
    assert (answer.status, len(bodies(backend))) == (400, 2)
    assert answer.error[2].startswith("Could not process image: ")
    assert engine.learned.new == []
