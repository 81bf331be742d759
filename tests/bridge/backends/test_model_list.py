"""Reading model lists of all families. wire B7."""

from typing import Any

import pytest

from bridge.backends.model_list import ListedModel, read_entry, read_list

Json = dict[str, Any]

VLLM = {"id": "m", "object": "model", "owned_by": "vllm", "root": "m", "max_model_len": 32768}
LLAMACPP = {
    "id": "m",
    "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"]},
    "meta": {"n_ctx": 8192, "n_ctx_train": 131072, "n_vocab": 1000},
}
OPENROUTER = {
    "id": "m",
    "context_length": 200000,
    "architecture": {"input_modalities": ["text"], "modality": "text->text"},
    "top_provider": {"context_length": 128000, "max_completion_tokens": 16384},
    "supported_parameters": ["tools", "tool_choice", "max_tokens"],
}
CHUTES = {
    "id": "m",
    "max_model_len": 40960,
    "context_length": 40000,
    "max_output_length": 8192,
    "input_modalities": ["text", "image"],
    "supported_features": ["json_mode", "reasoning"],
}
BARE = {"id": "m", "object": "model", "created": 1, "owned_by": "library"}

ROWS = [
    # entry, context, max output, vision, tools, reasoning
    (BARE, None, None, None, None, None),
    (VLLM, 32768, None, None, None, None),
    (LLAMACPP, 8192, None, True, None, None),
    (OPENROUTER, 200000, 16384, False, True, False),
    (CHUTES, 40960, 8192, True, False, True),
]


def read(item: object) -> ListedModel:
    entry = read_entry(item)
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("item", "context", "max_output", "vision", "tools", "reasoning"),
    ROWS,
    ids=["ollama", "vllm", "llamacpp", "openrouter", "chutes"],
)
def test_entry_is_read_as_its_server_means_it(
    item: Json,
    context: int | None,
    max_output: int | None,
    vision: bool | None,
    tools: bool | None,
    reasoning: bool | None,
) -> None:
    """wire B7, discovery rule; what is not told stays unknown, never false."""
    entry = read(item)
    told = (entry.name, entry.context, entry.max_output)
    assert told == ("m", context, max_output)
    assert (entry.vision, entry.tools, entry.reasoning) == (vision, tools, reasoning)


@pytest.mark.parametrize(
    ("fields", "context"),
    [
        ({"meta": {"n_ctx": 1}, "max_model_len": 2, "context_length": 3}, 1),
        ({"max_model_len": 2, "context_length": 3}, 2),
        ({"context_length": 3, "top_provider": {"context_length": 4}}, 3),
        ({"top_provider": {"context_length": 4}, "meta": {"n_ctx_train": 5}}, 4),
        ({"meta": {"n_ctx_train": 5}}, 5),
        ({"meta": {"n_ctx": 0}, "max_model_len": 2}, 2),
        ({"meta": None, "max_model_len": 2}, 2),
        ({"max_model_len": None, "context_length": -1}, None),
        ({"max_model_len": True}, None),
        ({"max_model_len": "4096"}, None),
        ({"max_model_len": 10**30}, None),
    ],
)
def test_context_is_the_first_positive_size(fields: Json, context: int | None) -> None:
    """wire B7, discovery rule; llama.cpp's slot goes before what the model was trained for."""
    assert read({"id": "m"} | fields).context == context


def test_features_may_stand_in_either_list() -> None:
    both = {"id": "m", "supported_features": ["tools"], "supported_parameters": ["reasoning"]}
    assert (read(both).tools, read(both).reasoning) == (True, True)


@pytest.mark.parametrize("broken", [None, "tools", 5, {"tools": True}, [1, None]])
def test_broken_lists_are_survived(broken: object) -> None:
    entry = read({"id": "m", "supported_features": broken, "input_modalities": broken})
    assert entry.vision is None
    assert entry.tools is not True


@pytest.mark.parametrize(
    ("document", "names"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
        ([{"id": "a"}], ["a"]),
        ({"data": None}, []),
        ({"data": [{"object": "model"}, None, 7, {"id": ""}, {"id": 5}, {"id": "a"}]}, ["a"]),
        ({"data": ["a", "b"]}, ["a", "b"]),
        ({"models": [{"name": "a"}]}, ["a"]),
        ({"data": [{"id": "a"}], "models": [{"name": "a.gguf"}]}, ["a"]),
        ({"data": [{"id": "a"}, {"id": "a"}]}, ["a"]),
        ({"data": [{"id": "x" * 301}, {"id": "a"}]}, ["a"]),
        ({"data": {"id": "a"}}, []),
        ({}, []),
        ([], []),
        (None, []),
        ("text", []),
    ],
)
def test_list_is_read_in_every_form(document: object, names: list[str]) -> None:
    """wire B7: tolerate a bare list, `{"data":null}` and missing `id`."""
    assert [entry.name for entry in read_list(document)] == names


def test_what_changes_with_every_read_is_not_kept() -> None:
    """Ours: else every read would be a change of the configuration."""
    entry = read(VLLM | {"created": 1, "permission": [{"id": "modelperm-1"}], "status": {}})
    assert entry.raw == VLLM
    assert entry.columns()["entry"] == VLLM


@pytest.mark.parametrize(("item", "bare"), [(BARE, True), (VLLM, False), (LLAMACPP, False)])
def test_bare_entry_is_recognised(item: Json, bare: bool) -> None:
    """Ours: `/v1/models/{id}` is asked where it helps."""
    assert read(item).is_bare is bare


# --- prices --------------------------------------------------------------------------------------

PER_TOKEN = {"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000025"}
PRICES: dict[str, tuple[Json, Json]] = {
    "openrouter, per token as text": (
        {"pricing": PER_TOKEN | {"input_cache_write": "0.000003125", "image": "0.003"}},
        {"input": "2.5", "output": "10", "cache_read": "0.25", "cache_write": "3.125"},
    ),
    "chutes, per million": (
        {
            "pricing": {"prompt": 0.2, "completion": 0.8, "input_cache_read": 0.1},
            "price": {"input": {"usd": 0.2, "tao": 0.0005}, "output": {"usd": 0.8, "tao": 0.002}},
        },
        {"input": "0.2", "output": "0.8", "cache_read": "0.1"},
    ),
    "chutes, older": (
        {"price": {"input": {"usd": 0.2, "tao": 0.0005}, "output": {"usd": 0.8, "tao": 0.002}}},
        {"input": "0.2", "output": "0.8"},
    ),
    "together, per million": (
        {"pricing": {"hourly": 0, "input": 0.3, "output": 0.3, "base": 0, "finetune": 0}},
        {"input": "0.3", "output": "0.3"},
    ),
    "deepinfra, per million": (
        {"metadata": {"pricing": {"input_tokens": 0.03, "output_tokens": 0.14}}},
        {"input": "0.03", "output": "0.14"},
    ),
    "the cheapest that there are": (
        {"pricing": {"prompt": 0.001, "completion": 0.0025}},
        {"input": "0.001", "output": "0.0025"},
    ),
    "the dearest that there are": (
        {"pricing": {"prompt": "0.00015", "completion": "0.0006"}},
        {"input": "150", "output": "600"},
    ),
    "free": ({"pricing": {"prompt": "0", "completion": "0"}}, {"input": "0", "output": "0"}),
    "free input": (
        {"pricing": {"prompt": "0", "completion": "0.000002"}},
        {"input": "0", "output": "2"},
    ),
    "depends": ({"pricing": {"prompt": "-1", "completion": "-1"}}, {}),
    "half": ({"pricing": {"prompt": "0.000001"}}, {}),
    "words": ({"pricing": {"prompt": "cheap", "completion": "dear"}}, {}),
    "no numbers": ({"pricing": {"prompt": True, "completion": [1]}}, {}),
    "not finite": ({"pricing": {"prompt": "NaN", "completion": "Infinity"}}, {}),
    "no object": ({"pricing": "free"}, {}),
    "none": ({}, {}),
}


@pytest.mark.parametrize(("fields", "prices"), PRICES.values(), ids=PRICES)
def test_prices_are_told_in_dollars_per_million(fields: Json, prices: Json) -> None:
    """wire B7, pricing of OpenRouter and Chutes; what is half told is not told."""
    entry = read({"id": "m"} | fields)
    assert entry.prices == prices
    assert entry.columns()["prices"] == prices
    assert entry.is_bare is not bool(prices)


def test_an_entry_is_kept_as_it_is() -> None:
    both = CHUTES | {"supported_parameters": ["tools", "json_mode", 7]}
    assert read(both).columns()["entry"] == {k: v for k, v in both.items() if k != "created"}
