"""A backend's family, learnt from what its replies give away, and used from the next request on."""

from __future__ import annotations

import pytest

from bridge.configuration.snapshot import backend_of
from bridge.models import Backend
from bridge.runtime.gateway import Gateway
from bridge.translation.errors.family_signs import by_headers, by_sentence
from bridge.translation.facts import FAMILY, Fact
from bridge.translation.profiles import PROFILES
from tests.bridge.making import facts
from tests.bridge.pairs import with_main
from tests.bridge.roads import send
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import failure, finish, role, text, usage
from tests.fakes.script import Script
from tests.shapes import Json

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
GOOD = (role(), text("Hello"), finish("stop"), usage(5, 2))
SENTENCE = "litellm.RateLimitError: RateLimitError: OpenAIException - slow down"
HEADERS = {"x-litellm-call-id": "4f1c", "x-litellm-version": "1.80.0"}
CALL = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
THOUGHT = {"type": "thinking", "thinking": "I look.", "signature": "s"}
TURN: Json = {
    "tools": [{"name": "Bash", "input_schema": {"type": "object", "properties": {}}}],
    "messages": [
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": [THOUGHT, CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "ok"}]},
    ],
}


def error_before_the_answer(script: Script) -> None:
    script.error(400, SENTENCE)


def error_with_headers_alone(script: Script) -> None:
    script.error(400, "this cannot be done", HEADERS)


def error_in_a_reply_with_status_200(script: Script) -> None:
    script.json(failure(SENTENCE, 429))


def answer_with_headers(script: Script) -> None:
    script.json(
        {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}, headers=HEADERS
    )


REPLIES = pytest.mark.parametrize(
    "reply",
    [
        error_before_the_answer,
        error_with_headers_alone,
        error_in_a_reply_with_status_200,
        answer_with_headers,
    ],
)


def learnt_family(engine: Gateway) -> list[Fact]:
    return [new.fact for new in engine.learned.new if new.fact.what == FAMILY]


def earlier_reasoning(backend: FakeBackend) -> str | None:
    """What the last request carried of the reasoning; a server of an unknown kind gets none."""
    sent: str | None = backend.calls[-1].body["messages"][1].get("reasoning_content")
    return sent


@BOTH
@REPLIES
async def test_litellm_is_known_from_its_first_reply_on(
    engine: Gateway, backend: FakeBackend, stream: bool, reply: object
) -> None:
    """LiteLLM reads earlier reasoning, which a server of an unknown kind is not sent."""
    assert callable(reply)
    reply(backend.on(ALPHA))
    await send(engine, stream=stream, **TURN)
    assert earlier_reasoning(backend) is None
    backend.on(ALPHA).answer(*GOOD)
    await send(engine, stream=stream, **TURN)
    await send(engine, stream=stream, **TURN)
    assert earlier_reasoning(backend) == "I look."
    assert learnt_family(engine) == [Fact(FAMILY, "litellm")]


async def test_error_within_a_begun_answer_names_the_family(
    engine: Gateway, backend: FakeBackend
) -> None:
    backend.on(ALPHA).stream(role(), text("Hel"), failure(SENTENCE, 500))
    await send(engine, stream=True)
    assert learnt_family(engine) == [Fact(FAMILY, "litellm")]


@BOTH
@pytest.mark.parametrize("where", ["backend", "model", "known by its list"])
async def test_family_that_is_set_or_known_stays(
    engine: Gateway, backend: FakeBackend, stream: bool, where: str
) -> None:
    """An operator's own setting wins, also where it says that nothing is known."""
    match where:
        case "backend":
            with_main(engine, sets_family=True)
        case "model":
            with_main(engine, models=facts(ALPHA, family="generic"))
        case _:
            with_main(engine, profile=PROFILES["mistral"])
    backend.on(ALPHA).error(400, SENTENCE, HEADERS).answer(*GOOD)
    for _ in range(2):
        await send(engine, stream=stream, **TURN)
    assert earlier_reasoning(backend) is None


@pytest.mark.parametrize(("family", "is_set"), [("auto", False), ("generic", True)])
def test_setting_of_a_backend_reaches_the_configuration(
    row: Backend, family: str, is_set: bool
) -> None:
    row.family = family
    assert backend_of(row).sets_family is is_set


@pytest.mark.parametrize(
    ("sentence", "family"),
    [
        (SENTENCE, "litellm"),
        ("Error code: 400 - litellm.BadRequestError: no", "litellm"),
        ("{'error': 'litellm.ContextWindowExceededError: no'}", "litellm"),
        ("The value of messages[0].content is wrong: 'import litellm.exceptions'", ""),
        ("model notlitellm.v1 does not exist", ""),
        ("litellm is not installed", ""),
        ("", ""),
    ],
)
def test_sentence_gives_a_family_away_near_its_beginning(sentence: str, family: str) -> None:
    """Further in, it may be a quotation from the request."""
    assert by_sentence(sentence) == family


@pytest.mark.parametrize(
    ("name", "family"), [("x-litellm-call-id", "litellm"), ("x-request-id", ""), ("litellm", "")]
)
def test_header_gives_a_family_away_by_its_name(name: str, family: str) -> None:
    assert by_headers(["content-type", name]) == family
