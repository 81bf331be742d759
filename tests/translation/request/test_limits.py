"""Limits, prefill, second tries, and what the answer to a request will need."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import refuses
from bridge.translation.profiles import PROFILES, ModelFacts
from bridge.translation.request.optional import without
from bridge.translation.request.translate import (
    NO_PREFILL,
    ChatRequest,
    TranslationOptions,
    to_chat,
)
from tests.shapes import Json
from tests.translation.asking import (
    ask,
    assistant,
    call,
    image,
    result,
    sent_messages,
    text,
    to_backend,
    tool,
    up_user,
    user,
)

BASE: Json = {
    "model": "backend/model",
    "messages": [up_user("hi")],
    "stream": False,
    "max_tokens": 100,
}
STOPS = ["a", "b", "c", "d", "e", "f"]


# --- limits -----------------------------------------------------------------------------------

PROMPT = 21
"""What the smallest request is estimated at."""
LIMITS: list[tuple[str, Json, int, int]] = [
    ("unknown", {}, 200_000, 200_000),
    ("F58 the model's own", {"max_output": 8192}, 200_000, 8192),
    ("below the model's own", {"max_output": 8192}, 100, 100),
    ("the rest of the window", {"context": 4096}, 200_000, 4096 - 32 - PROMPT),
    ("the smaller of both", {"context": 4096, "max_output": 1000}, 200_000, 1000),
    ("no useful rest", {"context": 300}, 200_000, 200_000),
    ("just a useful rest", {"context": 32 + PROMPT + 256}, 200_000, 256),
]


@pytest.mark.parametrize(
    ("known", "asked", "sent"), [m[1:] for m in LIMITS], ids=[m[0] for m in LIMITS]
)
def test_max_tokens_is_what_the_model_can_honour(known: Json, asked: int, sent: int) -> None:
    """The specification, C1; vLLM observed refusing anything above its window."""
    request = to_backend(facts=ModelFacts("m", **known), max_tokens=asked)
    assert request.prompt_tokens == PROMPT
    assert request.body["max_tokens"] == sent


def test_max_completion_tokens_where_the_profile_wants_it() -> None:
    """The specification, C1: never both."""
    profile = replace(PROFILES["openai"], max_tokens_field="max_completion_tokens")
    request = to_chat(ask(), "m", profile, ModelFacts("m"), TranslationOptions())
    assert (request.body["max_completion_tokens"], "max_tokens" in request.body) == (100, False)
    assert request.with_max_tokens(5).body["max_completion_tokens"] == 5


def test_estimate_is_the_same_streamed_or_not() -> None:
    """Ours: how the answer is sent is no part of the prompt."""
    plain, streamed = to_backend(), to_backend(stream=True)
    assert plain.prompt_tokens == streamed.prompt_tokens
    assert plain.text_bytes == streamed.text_bytes


def test_size_of_the_prompt_is_estimated() -> None:
    """Ours: by bytes, with what the model's reports taught; images apart."""
    plain = to_backend(messages=[user("x" * 4000)])
    seen = to_backend(messages=[user("x" * 4000, image())])
    taught = to_backend(
        messages=[user("x" * 4000)], options=TranslationOptions(bytes_per_token=2.0)
    )
    assert plain.text_bytes - 4000 in range(80, 120)
    assert (plain.media, seen.media) == (0, 1)
    assert seen.prompt_tokens - plain.prompt_tokens in range(1000, 1030)
    assert taught.prompt_tokens - plain.prompt_tokens * 2 in (-1, 0, 1)


# --- prefill ----------------------------------------------------------------------------------

PREFILL = [user("q"), assistant("The answer is ( ")]
CONTINUED = {"continue_final_message": True, "add_generation_prompt": False}


@pytest.mark.parametrize("profile", ["vllm", "sglang"])
def test_f41_prefill_is_continued(profile: str) -> None:
    """F41: with its trailing white space."""
    body = to_backend(profile, messages=PREFILL).body
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is ( "}
    assert CONTINUED.items() <= body.items()


def test_prefill_is_sent_as_it_is_elsewhere() -> None:
    """The specification, C4.9: without its trailing white space."""
    body = to_backend(messages=PREFILL).body
    assert body["messages"][-1] == {"role": "assistant", "content": "The answer is ("}
    assert not CONTINUED.keys() & body.keys()


def test_prefill_of_white_space_is_none() -> None:
    """The specification, C4.7: what ends up empty is dropped."""
    assert sent_messages(user("q"), assistant("\n ")) == [up_user("q")]


def test_only_a_prefill_of_white_space_is_no_conversation() -> None:
    """The specification, C4.8."""
    with pytest.raises(ApiError, match="messages: text content blocks must be non-empty"):
        sent_messages(assistant("\n "), system="S")


def test_prefill_that_the_backend_repeats_is_remembered() -> None:
    """llama-server observed: it begins its answer with it."""
    request = to_backend("llamacpp", messages=PREFILL)
    assert request.prefill == request.body["messages"][-1]["content"] == "The answer is ( "
    assert to_backend("llamacpp").prefill == to_backend(messages=PREFILL).prefill == ""


def test_prefill_may_be_refused() -> None:
    """The specification, C4.9: a profile with `reject`."""
    profile = replace(PROFILES["generic"], prefill="reject")
    with pytest.raises(ApiError) as caught:
        to_chat(ask(messages=PREFILL), "m", profile, ModelFacts("m"), TranslationOptions())
    assert (caught.value.status, caught.value.message) == (400, NO_PREFILL)


# --- second tries -----------------------------------------------------------------------------


def refusable(profile: str = "openai", **fields: Any) -> ChatRequest:
    given: Json = {
        "thinking": {"type": "adaptive"},
        "tools": [tool("A", strict=True)],
        "stream": True,
    }
    return to_backend(profile, **(given | fields))


def test_optional_fields_are_named() -> None:
    """F126: what a backend may refuse, also inside other fields."""
    parallel = {"type": "auto", "disable_parallel_tool_use": True}
    assert to_backend().added == frozenset()
    added = {"stream_options", "reasoning_effort", "parallel_tool_calls", "strict"}
    assert added <= refusable(tool_choice=parallel).added
    assert "enable_thinking" in refusable("llamacpp").added
    assert "strict" not in refusable("vllm").added


WITHOUT: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    ("F126 one field", "openai", ("stream_options",), ("stream_options",)),
    (
        "several",
        "openai",
        ("stream_options", "reasoning_effort"),
        ("stream_options", "reasoning_effort"),
    ),
    ("one that is not there", "openai", ("thinking",), ()),
    ("one inside another", "llamacpp", ("enable_thinking",), ("chat_template_kwargs",)),
]


@pytest.mark.parametrize(
    ("profile", "names", "gone"), [w[1:] for w in WITHOUT], ids=[w[0] for w in WITHOUT]
)
def test_second_try_goes_without_what_was_refused(
    profile: str, names: tuple[str, ...], gone: tuple[str, ...]
) -> None:
    """F126: the rest stays as it was, and the first request too."""
    before = refusable(profile).body
    after = refusable(profile, facts=ModelFacts("m", learnt=frozenset(refuses(*names)))).body
    assert after == {k: v for k, v in before.items() if k not in gone}


def test_strictness_of_tools_can_be_taken_back() -> None:
    """The specification, E2: `strict` stands inside the tools."""
    request = refusable()
    assert request.body["tools"][0]["function"]["strict"] is True
    after = refusable(facts=ModelFacts("m", learnt=frozenset(refuses("strict"))))
    assert "strict" not in after.body["tools"][0]["function"]
    assert without({"a": 1}, frozenset({"strict"})) == {"a": 1}


@pytest.mark.parametrize("stream", [True, False])
def test_refused_field_is_not_sent_again(stream: bool) -> None:
    """F126: the next request does not send it."""
    facts = ModelFacts(
        "m", learnt=frozenset(refuses("stream_options", "reasoning_effort", "strict"))
    )
    body = refusable(facts=facts, stream=stream).body
    assert not {"stream_options", "reasoning_effort"} & set(body)
    assert "strict" not in body["tools"][0]["function"]
    assert body["max_tokens"] == 100


def test_smaller_limit_for_a_second_try() -> None:
    """F124: the rest stays as it was."""
    assert to_backend().with_max_tokens(1064).body == BASE | {"max_tokens": 1064}


# --- what the answer will need ----------------------------------------------------------------


def test_rest_of_the_stops_is_matched_here() -> None:
    """F57: two of six; all of them where the backend does not name the matched one."""
    assert to_backend("vllm", stop_sequences=STOPS).stops == ("e", "f")
    assert to_backend(stop_sequences=STOPS).stops == tuple(STOPS)


def test_ids_of_the_conversation_are_remembered() -> None:
    """F72: a new call must not repeat one."""
    messages = [user("q"), assistant(call("t1"), call("t2")), user(result("t1"), result("t2"))]
    assert to_backend(messages=messages).used_ids == {"t1", "t2"}


def test_f21_both_forms_of_content_are_one_request() -> None:
    """F21: a string, and one text block."""
    as_blocks = [{"role": "user", "content": [text("hi")]}]
    assert to_backend(messages=as_blocks).body == to_backend().body == BASE
