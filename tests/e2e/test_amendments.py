"""What real clients taught about long sessions, the backend's own fields and auto mode."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import starting
from tests.fakes.backend import ALPHA, FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.client import Response
from tests.fakes.gateway import Gateway
from tests.grammar import parse_sse

TARGETS = [{"backend": "main", "model": ALPHA}]
EXTRA: Json = {"min_p": 0.1, "chat_template_kwargs": {"preserve_thinking": True}}
ALIASES: list[Json] = [
    {"pattern": "tuned", "targets": TARGETS, "extra": EXTRA},
    {"pattern": "silent", "targets": TARGETS, "safeguards": "off"},
]
BOTH = pytest.mark.parametrize("streamed", [False, True], ids=["plain", "streamed"])
MOST, BYTES = 6, 4000


@pytest.fixture(scope="module")
def module_gateway(
    session_backend: FakeBackend, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    with starting(session_backend, tmp_path_factory) as start:
        gateway = start(
            BACKEND_DIALECT="llamacpp", MAX_MESSAGES=str(MOST), MAX_CONTENT_BYTES=str(BYTES)
        )
        gateway.configure(aliases=ALIASES)
        yield gateway


@pytest.fixture
def gateway(module_gateway: Gateway, backend: FakeBackend) -> Gateway:
    return module_gateway


def at_work(rounds: int) -> list[Json]:
    """A question, then calls and their results only."""
    messages: list[Json] = [{"role": "user", "content": "q"}]
    for i in range(rounds):
        use = {"type": "tool_use", "id": f"t{i}", "name": "A", "input": {}}
        thought = {"type": "thinking", "thinking": "x", "signature": ""}
        result = {"type": "tool_result", "tool_use_id": f"t{i}", "content": "ok"}
        messages += [
            {"role": "assistant", "content": [thought, use]},
            {"role": "user", "content": [result]},
        ]
    return messages


@BOTH
def test_agent_may_work_as_long_as_it_likes(gateway: Gateway, streamed: bool) -> None:
    """H6: a session of many calls is no long conversation."""
    tools = [{"name": "A", "input_schema": {"type": "object"}}]
    response = gateway.client.messages(messages=at_work(50), tools=tools, stream=streamed)
    assert response.status == 200


@BOTH
def test_what_is_said_still_counts(gateway: Gateway, streamed: bool) -> None:
    """H6: also in the middle of the work of an agent."""
    said = [{"role": "user", "content": "more"}] * MOST
    response = gateway.client.messages(messages=[*at_work(3), *said], stream=streamed)
    message = f"messages: too many messages ({MOST + 1} > {MOST}; setting MAX_MESSAGES)"
    assert (response.status, response.json["error"]["message"]) == (400, message)


@BOTH
def test_too_much_content_makes_clients_compact(gateway: Gateway, streamed: bool) -> None:
    """H7: still a 413, in the wording of a prompt that is too long, with the contract's token."""
    messages = [{"role": "user", "content": "x" * (2 * BYTES)}]
    response = gateway.client.messages(messages=messages, stream=streamed)
    error = response.json["error"]
    assert (response.status, error["type"]) == (413, "request_too_large")
    assert error["message"].startswith("prompt is too long: 2000 tokens > 1000 maximum")
    assert "capability_rejected: prompt_too_long" in error["message"]
    assert "MAX_CONTENT_BYTES" in error["message"]


@BOTH
def test_alias_adds_fields_of_the_backends_own(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H8: an object joins what the request has there."""
    asked: Json = {"thinking": {"type": "adaptive"}, "stream": streamed}
    assert gateway.client.messages(model="tuned", **asked).status == 200
    body = backend.only_call.body
    switches = {"enable_thinking": True, "thinking": True, "preserve_thinking": True}
    assert (body["min_p"], body["chat_template_kwargs"]) == (0.1, switches)


@BOTH
def test_field_that_nobody_knows_is_named_as_dropped(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H8: it does not vanish."""
    response = gateway.client.messages(min_p=0.1, seed=7, stream=streamed)
    assert response.headers["x-gateway-dropped"] == "min_p,seed"
    assert not {"min_p", "seed"} & backend.only_call.body.keys()


@BOTH
def test_backend_that_refuses_a_model_of_its_own_list_is_quoted(
    gateway: Gateway, backend: FakeBackend, streamed: bool
) -> None:
    """H9: the same model is not named as available."""
    backend.on(ALPHA).error(404, f"The model `{ALPHA}` does not exist at this moment.")
    response = gateway.client.messages(stream=streamed)
    message = response.json["error"]["message"]
    assert response.status == 404
    assert message == f"model: {ALPHA} (The model `{ALPHA}` does not exist at this moment.)"


# --- auto mode ---------------------------------------------------------------------------------

ASKS: list[Json] = [{"type": "dangerous_tool_use", "classifier_context": {"v": 1}}]
UNAVAILABLE: list[Json] = [
    {"type": "dangerous_tool_use", "status": {"type": "unavailable", "reason": "error"}}
]


def results(response: Response, streamed: bool) -> Any:
    """The verdicts where clients look for them."""
    assert response.status == 200
    if not streamed:
        return response.json.get("safeguard_results")
    ends = [e.data for e in parse_sse(response.body) if e.data["type"] == "message_delta"]
    return ends[-1]["delta"].get("safeguard_results")


@BOTH
def test_request_for_verdicts_is_answered_as_unavailable(gateway: Gateway, streamed: bool) -> None:
    """F61: so that Claude Code's auto mode goes on without a notice."""
    response = gateway.client.messages(safeguards=ASKS, stream=streamed)
    assert results(response, streamed) == UNAVAILABLE
    assert "x-gateway-dropped" not in response.headers


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"safeguards": None},
        {"safeguards": []},
        {"safeguards": "yes"},
        {"safeguards": [1, {"type": "another"}]},
        {"safeguards": ASKS, "model": "silent"},
    ],
    ids=["absent", "null", "empty", "a text", "of another kind", "switched off"],
)
def test_answer_has_no_verdicts_otherwise(gateway: Gateway, fields: Json, streamed: bool) -> None:
    """F61: nobody gets what was not asked for, nor what the operator switched off."""
    response = gateway.client.messages(stream=streamed, **fields)
    assert results(response, streamed) is None
    dropped = "safeguards" if fields.get("safeguards") is not None else None
    assert response.headers.get("x-gateway-dropped") == dropped


# --- web search --------------------------------------------------------------------------------

SEARCH: Json = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}


@BOTH
@pytest.mark.parametrize("fields", [{"tools": [SEARCH]}, {"max_tokens": 0}], ids=["search", "warm"])
def test_answer_of_the_gateways_own_has_verdicts_where_asked_for(
    gateway: Gateway, fields: Json, streamed: bool
) -> None:
    """F61: without them a client takes the gateway for one that is not made for auto mode."""
    response = gateway.client.messages(safeguards=ASKS, stream=streamed, **fields)
    assert results(response, streamed) == UNAVAILABLE
    assert results(gateway.client.messages(stream=streamed, **fields), streamed) is None


@BOTH
@pytest.mark.parametrize("client", ["plain", "auto"], ids=["no choice", "a free choice"])
def test_search_without_an_engine_is_one_clean_turn(
    gateway: Gateway, backend: FakeBackend, client: str, streamed: bool
) -> None:
    """Observed client: its WebSearch shows the error of a result, and tries a 400 again."""
    fields: Json = {"tool_choice": {"type": "auto"}} if client == "auto" else {}
    response = gateway.client.messages(
        text="Look for zebras.", tools=[SEARCH], stream=streamed, **fields
    )
    assert response.status == 200
    use, result, text = _blocks(response, streamed)
    assert (use["type"], use["name"]) == ("server_tool_use", "web_search")
    assert use["input"] == {"query": "Look for zebras."}
    assert result["type"] == "web_search_tool_result"
    assert result["tool_use_id"] == use["id"]
    error = {"type": "web_search_tool_result_error", "error_code": "unavailable"}
    assert result["content"] == error
    assert "not available" in text["text"]
    assert backend.calls == []


def _blocks(response: Response, streamed: bool) -> list[Json]:
    if not streamed:
        assert response.json["stop_reason"] == "end_turn"
        content: list[Json] = response.json["content"]
        return content
    events = [event.data for event in parse_sse(response.body)]
    assert events[-2]["delta"]["stop_reason"] == "end_turn"
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    deltas = [e["delta"] for e in events if e["type"] == "content_block_delta"]
    blocks[0]["input"] = json.loads(deltas[0]["partial_json"])
    blocks[2]["text"] = deltas[1]["text"]
    return blocks


@BOTH
def test_other_server_tool_alone_is_not_tried_again(gateway: Gateway, streamed: bool) -> None:
    """F45: nothing can be answered, whoever asks how often."""
    tool = {"type": "web_fetch_20250910", "name": "web_fetch"}
    response = gateway.client.messages(tools=[tool], stream=streamed)
    assert (response.status, response.headers["x-should-retry"]) == (400, "false")
    assert "web_fetch_20250910 is a server tool" in response.json["error"]["message"]
