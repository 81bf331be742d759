"""Backends that refuse a field or a length: asked once more without it, and it is remembered."""

from collections.abc import Callable

import pytest

from tests.conftest import Start
from tests.e2e.conftest import Serve
from tests.fakes.backend import ALPHA, HELLO, FakeBackend
from tests.fakes.chunks import Json
from tests.fakes.gateway import Gateway
from tests.shapes import check_error

BETA, OTHER = "test/beta", "vendor/name:free"
TOOLS = [{"name": "alpha", "input_schema": {"type": "object"}}]
SERIAL: Json = {"tools": TOOLS, "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
ADAPTIVE: Json = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}
BUDGET: Json = {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 4000}
FORMAT: Json = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}

IN_WORDS = "Answer with one JSON object that fits this schema: "

Refuse = Callable[[str], Json]


def named(field: str) -> Json:
    return {"error": {"message": f"Unrecognized request argument supplied: {field}", "code": 400}}


def placed(field: str) -> Json:
    """FastAPI's form: the field is named by its place, not in the sentence."""
    fault = {"type": "extra_forbidden", "loc": ["body", field], "msg": "Extra inputs not permitted"}
    return {"detail": [fault]}


@pytest.mark.parametrize(
    ("family", "model", "asked", "field", "refusal"),
    [
        ("vllm", ALPHA, ADAPTIVE, "reasoning_effort", named),
        ("vllm", BETA, BUDGET, "thinking_token_budget", named),
        ("vllm", OTHER, ADAPTIVE, "reasoning_effort", placed),
        ("llamacpp", ALPHA, ADAPTIVE, "chat_template_kwargs", named),
        ("llamacpp", BETA, ADAPTIVE, "chat_template_kwargs", placed),
        ("deepseek", ALPHA, ADAPTIVE, "thinking", named),
        ("openrouter", ALPHA, ADAPTIVE, "reasoning", named),
        ("generic", ALPHA, SERIAL, "parallel_tool_calls", named),
    ],
)
def test_refused_field_is_left_out_and_remembered(
    serve: Serve,
    backend: FakeBackend,
    family: str,
    model: str,
    asked: Json,
    field: str,
    refusal: Refuse,
) -> None:
    """wire C7, E2, F126: one retry, and the next request does not send it."""
    backend.on(model).json(refusal(field), 400).answer(*HELLO)
    client = serve(family).client
    for _ in range(2):
        assert client.messages(model=model, **asked).status == 200
    first, mended, later = (call.body for call in backend.calls)
    assert field in first
    assert mended == later == {name: first[name] for name in first if name != field}


@pytest.mark.parametrize("refusal", [named, placed])
def test_refused_format_is_asked_for_in_words_and_remembered(
    serve: Serve, backend: FakeBackend, refusal: Refuse
) -> None:
    """wire C7, F126, H4: the client's format is not lost with its field."""
    model = BETA if refusal is named else OTHER
    backend.on(model).json(refusal("response_format"), 400).answer(*HELLO)
    client = serve("generic").client
    for _ in range(2):
        assert client.messages(model=model, **FORMAT).status == 200
    first, mended, later = (call.body for call in backend.calls)
    sentence = {"role": "system", "content": IN_WORDS + '{"type":"object"}'}
    rest = {name: first[name] for name in first if name != "response_format"}
    assert mended == later == rest | {"messages": [sentence, *first["messages"]]}


def test_other_models_are_still_sent_the_field(start_gateway: Start, backend: FakeBackend) -> None:
    """wire C7: what one model refuses says nothing about another."""
    client = start_gateway(BACKEND_DIALECT="vllm").client
    backend.on(ALPHA).json(named("reasoning_effort"), 400).answer(*HELLO)
    assert client.messages(**ADAPTIVE).status == 200
    assert client.messages(model=BETA, **ADAPTIVE).status == 200
    assert backend.calls[-1].body["reasoning_effort"] == "high"


def test_fields_that_are_refused_one_by_one_are_learned_one_by_one(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """wire C7, E7: what a request proved lasts even if the request failed; a field that is blamed
    though it was left out is not proven."""
    client = start_gateway(BACKEND_DIALECT="vllm").client
    effort, budget = named("reasoning_effort"), named("thinking_token_budget")
    backend.on(ALPHA).json(effort, 400).json(budget, 400).json(budget, 400).answer(*HELLO)
    assert client.messages(**BUDGET).status == 400
    assert client.messages(**BUDGET).status == 200
    learned = [
        [name for name in ("reasoning_effort", "thinking_token_budget") if name in call.body]
        for call in backend.calls
    ]
    assert learned == [
        ["reasoning_effort", "thinking_token_budget"],
        ["thinking_token_budget"],
        [],
        ["thinking_token_budget"],
    ]


@pytest.mark.parametrize(
    ("family", "asked", "said"),
    [
        ("generic", {"tools": TOOLS}, "Access to this content is restricted"),
        (
            "deepseek",
            ADAPTIVE,
            "The `reasoning_content` in the thinking mode must be passed back to the API.",
        ),
    ],
)
def test_word_that_only_sounds_like_a_field_is_no_refusal_of_it(
    serve: Serve, backend: FakeBackend, family: str, asked: Json, said: str
) -> None:
    """Observed backends say these; what is learned from them by mistake would stay for good."""
    model = "zai-org/GLM-4.5-Air"
    backend.on(model).error(400, said).answer(*HELLO)
    client = serve(family).client
    assert client.messages(model=model, **asked).status == 400
    assert client.messages(model=model, **asked).status == 200
    first, later = backend.calls
    assert first.raw == later.raw


OVERFLOWS = {
    "vllm now": "This model's maximum context length is 4096 tokens. However, you requested 2000 "
    "output tokens and your prompt contains {n} input tokens, for a total of {t} tokens. Please "
    "reduce the length of the input prompt or the number of requested output tokens.",
    "vllm older": "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's "
    "maximum context length is 4096 tokens and your request has {n} input tokens "
    "(2000 > 4096 - {n}).",
    "sglang": "Requested token count exceeds the model's maximum context length of 4096 tokens. "
    "You requested a total of {t} tokens: {n} tokens from the input messages and 2000 tokens for "
    "the completion.",
    "openrouter": "This endpoint's maximum context length is 4096 tokens. However, you requested "
    "about {t} tokens ({n} of text input, 2000 in the output). Please reduce the length of either.",
}


@pytest.mark.parametrize("wording", list(OVERFLOWS.values()), ids=list(OVERFLOWS))
def test_answer_that_does_not_fit_behind_its_prompt_is_asked_for_shorter(
    gateway: Gateway, backend: FakeBackend, wording: str
) -> None:
    """wire E4, F124: the prompt fits, prompt and answer together do not."""
    backend.on(ALPHA).error(400, wording.format(n=3000, t=5000)).answer(*HELLO)
    assert gateway.client.messages(max_tokens=2000).status == 200
    assert [call.body["max_tokens"] for call in backend.calls] == [2000, 1064]
    backend.reset()
    backend.on(ALPHA).error(400, wording.format(n=4000, t=6000)).answer(*HELLO)
    refused = gateway.client.messages(max_tokens=2000)
    assert refused.status == 400
    said = check_error(refused.json)["error"]["message"]
    assert said.startswith(
        "input length and `max_tokens` exceed context limit: 4000 + 2000 > 4096,"
    )
    assert len(backend.calls) == 1


def test_length_that_no_window_has_is_asked_for_shorter(serve: Serve, backend: FakeBackend) -> None:
    """Observed backend, backends 3.1: vLLM judges `max_tokens` before it counts the prompt."""
    said = (
        "max_tokens=128000 cannot be greater than max_model_len=8192. Please request fewer output "
        "tokens. (parameter=max_tokens, value=128000)"
    )
    body = {"error": {"message": said, "type": "BadRequestError", "param": None, "code": 400}}
    backend.on(ALPHA).json(body, 400).answer(*HELLO)
    assert serve("vllm").client.messages(max_tokens=128000).status == 200
    first, shorter = (call.body["max_tokens"] for call in backend.calls)
    assert (first, shorter <= 8192) == (128000, True)
    assert shorter > 4096
