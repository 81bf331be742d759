"""Thinking of earlier turns on its way to a backend, and thinking that stands in the text."""

import json
from itertools import product

import pytest

from tests.conftest import Start
from tests.e2e.conftest import Serve
from tests.e2e.test_markup import CALL, ONE, TOOLS, answers, in_pieces
from tests.e2e.test_streams import content_of
from tests.fakes.backend import FakeBackend
from tests.fakes.chunks import Json, text
from tests.fakes.gateway import Gateway

CALL_TOOLS = [{"name": "alpha", "input_schema": {"type": "object"}}]


def thought(words: str) -> Json:
    return {"type": "thinking", "thinking": words, "signature": "gw1.x"}


def called(call_id: str) -> Json:
    return {"type": "tool_use", "id": call_id, "name": "alpha", "input": {}}


def answered(call_id: str, *more: Json) -> Json:
    result = {"type": "tool_result", "tool_use_id": call_id, "content": "ok"}
    return {"role": "user", "content": [result, *more]}


HISTORY: list[Json] = [
    {"role": "user", "content": "First."},
    {"role": "assistant", "content": [thought("old"), called("t1")]},
    answered("t1"),
    {"role": "assistant", "content": [thought("said"), {"type": "text", "text": "Done."}]},
    {"role": "user", "content": "Second."},
    {"role": "assistant", "content": [thought("new"), called("t2")]},
    answered("t2"),
]


@pytest.mark.parametrize(
    ("family", "field", "kept"),
    [
        ("vllm", "reasoning_content", {"t1": "old", "t2": "new"}),
        ("llamacpp", "reasoning_content", {"t1": "old", "t2": "new"}),
        ("openrouter", "reasoning", {"t2": "new"}),
        ("deepseek", "reasoning_content", {"t1": "old", "t2": "new"}),
        ("generic", "reasoning_content", {}),
    ],
)
def test_thinking_of_tool_turns_goes_back_in_the_field_of_the_family(
    serve: Serve, backend: FakeBackend, family: str, field: str, kept: Json
) -> None:
    """wire B6, C3, F38: since the last question, or all where a template decides what it keeps;
    DeepSeek refuses any tool turn without it."""
    assert serve(family).client.messages(messages=HISTORY, tools=CALL_TOOLS).status == 200
    messages = backend.only_call.body["messages"]
    turns = {m["tool_calls"][0]["id"]: m for m in messages if m.get("tool_calls")}
    assert {key: turn[field] for key, turn in turns.items() if field in turn} == kept
    others = {"reasoning", "reasoning_content", "thinking", "reasoning_details"} - {field}
    assert not any(others & message.keys() for message in messages)


def test_text_beside_a_result_is_a_question_of_its_own(serve: Serve, backend: FakeBackend) -> None:
    """wire C3: a family that reads recent thinking gets none from before the user's last words."""
    turns = [*HISTORY[:-1], answered("t2", {"type": "text", "text": "And now?"})]
    assert serve("openrouter").client.messages(messages=turns, tools=CALL_TOOLS).status == 200
    sent = backend.only_call.body["messages"]
    assert not any("reasoning" in message for message in sent)


def test_begun_answer_is_continued(serve: Serve, backend: FakeBackend) -> None:
    """wire C4.9, F41."""
    begun = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "It is ("}]
    assert serve("vllm").client.messages(messages=begun).status == 200
    body = backend.only_call.body
    assert body["messages"][-1] == {"role": "assistant", "content": "It is ("}
    assert (body["continue_final_message"], body["add_generation_prompt"]) == (True, False)


@pytest.mark.parametrize("pieces", [["It", " is", " 4", "."], ["It is 4."], ["4."]])
def test_begun_answer_is_not_said_twice(
    serve: Serve, backend: FakeBackend, pieces: list[str]
) -> None:
    """wire C4.9: llama.cpp repeats what it continues."""
    begun = [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "It is"}]
    for message in answers(serve("llamacpp").client, backend, [*map(text, pieces)], messages=begun):
        assert "".join(block["text"] for block in message["content"]).strip() == "4."
    assert "continue_final_message" not in backend.calls[0].body


INLINE_MODELS = ("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "Qwen/QwQ-32B")
THOUGHT = {"type": "thinking", "thinking": "\nHm: 1 < 2.\n"}
INLINE: dict[str, list[Json]] = {
    "<think>\nHm: 1 < 2.\n</think>\n\nYes.": [THOUGHT, {"type": "text", "text": "Yes."}],
    f"<think>\nHm: 1 < 2.\n</think>\n\n{ONE['hermes']}": [THOUGHT, CALL],
    "<think>\n\n</think>\n\nYes.": [{"type": "text", "text": "Yes."}],
    "So <think>no</think>.": [{"type": "text", "text": "So <think>no</think>."}],
    "<thinking>no</thinking>": [{"type": "text", "text": "<thinking>no</thinking>"}],
    "<think>Hm.": [{"type": "thinking", "thinking": "Hm."}],
}


def test_thinking_that_stands_in_the_text_is_taken_out(
    start_gateway: Start, backend: FakeBackend
) -> None:
    """wire D1, G14, F100: for models that are known to do so. Announced but empty is none."""
    client = start_gateway(MODEL_MAP=json.dumps({name: name for name in INLINE_MODELS})).client
    for model, (whole, content) in product(INLINE_MODELS, INLINE.items()):
        backend.reset()
        for message in answers(client, backend, in_pieces(whole), model=model, tools=TOOLS):
            assert content_of(message) == content, whole


def test_tags_of_other_models_are_text(gateway: Gateway, backend: FakeBackend) -> None:
    """wire F100: elsewhere somebody may be writing about tags."""
    whole = "<think>\nHm.\n</think>\n\nYes."
    for message in answers(gateway.client, backend, in_pieces(whole)):
        assert content_of(message) == [{"type": "text", "text": whole}]
