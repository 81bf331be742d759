"""A whole Messages request -> a whole chat request: every top-level field."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.translation.errors.api_error import ApiError
from bridge.translation.facts import refuses
from bridge.translation.json import encode_text
from bridge.translation.profiles import PROFILES, ModelFacts
from tests.shapes import Json
from tests.translation.asking import to_backend, tool, up_user

UP_HI = up_user("hi")
BASE: Json = {
    "model": "backend/model",
    "messages": [UP_HI],
    "stream": False,
    "max_tokens": 100,
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
FORMAT = {"type": "json_schema", "schema": SCHEMA}
JSON_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "output", "schema": SCHEMA, "strict": True},
}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
SAMPLING = {"temperature": 0.5, "top_p": 0.9}
STOPS = ["a", "b", "c", "d", "e", "f"]
USER = {"metadata": {"user_id": '{"device_id":"x"}'}}

# what is asked, profile, fields, what is sent beside the base, what is named as dropped
FIELDS: list[tuple[str, str, Json, Json, tuple[str, ...]]] = [
    ("F62 nothing special", "generic", {}, {}, ()),
    ("streaming", "generic", {"stream": True}, WITH_USAGE, ()),
    ("sampling", "generic", SAMPLING, SAMPLING, ()),
    ("temperature too high", "generic", {"temperature": 3}, {"temperature": 2}, ()),
    ("temperature too low", "generic", {"temperature": -1}, {"temperature": 0}, ()),
    ("F56 top_k where it is known", "vllm", {"top_k": 40}, {"top_k": 40}, ()),
    ("F56 top_k elsewhere", "generic", {"top_k": 40}, {}, ("top_k",)),
    ("top_k that means off", "vllm", {"top_k": -1}, {}, ("top_k",)),
    ("top_k 0", "vllm", {"top_k": 0}, {}, ("top_k",)),
    ("F57 stops of vLLM", "vllm", {"stop_sequences": STOPS}, {"stop": STOPS[:4]}, ()),
    ("stops elsewhere", "generic", {"stop_sequences": STOPS}, {}, ()),
    ("a user", "openai", USER, {"user": "e4552d03b1c31cce"}, ()),
    ("a user elsewhere", "generic", USER, {}, ("metadata",)),
    ("no user", "generic", {"metadata": {"user_id": None}}, {}, ()),
    (
        "F55 a format",
        "generic",
        {"output_config": {"format": FORMAT}},
        {"response_format": JSON_SCHEMA},
        (),
    ),
    ("its old name", "generic", {"output_format": FORMAT}, {"response_format": JSON_SCHEMA}, ()),
    ("another format", "generic", {"output_format": {"type": "text"}}, {}, ()),
    ("a format that is none", "generic", {"output_config": {"format": "x"}}, {}, ()),
    (
        "F60 context management",
        "generic",
        {"context_management": {"edits": []}},
        {},
        ("context_management",),
    ),
    ("F61 safeguards", "generic", {"safeguards": [{}]}, {}, ("safeguards",)),
    (
        "nothing to refuse",
        "generic",
        {"mcp_servers": [], "thread": None, "compaction": None},
        {},
        (),
    ),
    ("service tier", "generic", {"service_tier": "auto"}, {}, ("service_tier",)),
    ("service tier of OpenAI", "openai", {"service_tier": "auto"}, {"service_tier": "auto"}, ()),
    (
        "the other tier of OpenAI",
        "openai",
        {"service_tier": "standard_only"},
        {"service_tier": "default"},
        (),
    ),
    (
        "thinking that cannot be asked for",
        "generic",
        {"thinking": {"type": "adaptive"}},
        {},
        ("thinking",),
    ),
    ("F14 an unknown field", "generic", {"never_heard_of": 1}, {}, ("never_heard_of",)),
]


@pytest.mark.parametrize(
    ("profile", "fields", "sent", "dropped"), [f[1:] for f in FIELDS], ids=[f[0] for f in FIELDS]
)
def test_field_is_translated_or_named_as_dropped(
    profile: str, fields: Json, sent: Json, dropped: tuple[str, ...]
) -> None:
    """The specification, C1."""
    request = to_backend(profile, **fields)
    assert request.body == BASE | sent
    assert request.dropped == dropped


DROPPED = ["speed", "inference_geo", "container", "diagnostics", "cache_control"]
DROPPED += ["billing_policy", "fallbacks", "fallback_credit_token", "tags", "user_profile_id"]


@pytest.mark.parametrize("name", DROPPED)
def test_field_without_a_counterpart_is_dropped(name: str) -> None:
    """The specification, C1: the request is served without it."""
    given: Json = {name: "x"}
    request = to_backend(**given)
    assert (request.body, request.dropped) == (BASE, (name,))


HALF_DROPPED: list[tuple[str, Json]] = [
    ("task_budget", {"output_config": {"task_budget": {"type": "tokens", "total": 9}}}),
]


@pytest.mark.parametrize(("name", "fields"), HALF_DROPPED)
def test_dropped_part_of_a_field_is_named_too(name: str, fields: Json) -> None:
    """The specification, C: whatever is not sent is listed."""
    request = to_backend(**fields)
    assert "response_format" not in request.body
    assert [dropped for dropped in request.dropped if name in dropped]


def _asked_beside_tools(profile: str) -> Json:
    asked: Json = {"output_config": {"format": FORMAT}, "tools": [tool("A")], "system": "Be brief."}
    chat = to_backend(profile, **asked)
    assert not [name for name in chat.dropped if "format" in name]
    return chat.body


@pytest.mark.parametrize("profile", sorted(PROFILES.keys() - {"openai", "azure"}))
def test_format_beside_tools_is_a_sentence_at_the_end_of_the_system_prompt(profile: str) -> None:
    """H4: a response format would forbid the calls there."""
    body = _asked_beside_tools(profile)
    assert "response_format" not in body
    leading = body["messages"][0]
    assert leading["role"] == "system"
    assert leading["content"].startswith("Be brief.")
    assert leading["content"].endswith('{"type":"object","properties":{"a":{"type":"string"}}}')


@pytest.mark.parametrize("profile", ["openai", "azure"])
def test_format_beside_tools_is_a_response_format_where_both_are_taken(profile: str) -> None:
    """H4."""
    body = _asked_beside_tools(profile)
    assert body["response_format"] == JSON_SCHEMA
    assert body["messages"][0]["content"] == "Be brief."


REFUSED: list[tuple[str, Any, str | None]] = [
    ("mcp_servers", [{"type": "url", "name": "x", "url": "https://x"}], None),
    ("thread", {"type": "create"}, "thread_unsupported_request"),
    ("compaction", {"type": "summarize"}, None),
]


@pytest.mark.parametrize(("name", "value", "code"), REFUSED)
def test_f60_f61_field_that_cannot_be_ignored_is_refused(
    name: str, value: Any, code: str | None
) -> None:
    """F60, F61: silence would change what the conversation means."""
    with pytest.raises(ApiError) as caught:
        to_backend(**{name: value})
    said = (caught.value.status, caught.value.message, caught.value.error_code)
    assert said == (400, f"{name}: not supported by this gateway", code)


def test_format_without_json_schema_is_asked_for_in_words() -> None:
    """The specification, C1: DeepSeek knows json_object only."""
    sentence = (
        "Answer with one JSON object that fits this schema: "
        '{"type":"object","properties":{"a":{"type":"string"}}}'
    )
    fields: Json = {"output_config": {"format": FORMAT}}
    plain, led = (to_backend("deepseek", **fields, system=s).body for s in ("", "S"))
    assert plain["response_format"] == led["response_format"] == {"type": "json_object"}
    assert plain["messages"] == [{"role": "system", "content": sentence}, UP_HI]
    assert led["messages"] == [{"role": "system", "content": f"S\n\n{sentence}"}, UP_HI]


@pytest.mark.parametrize("tools", [(), (tool("A"),)], ids=["plain", "beside tools"])
def test_format_that_a_model_refuses_is_asked_for_in_words(tools: tuple[Json, ...]) -> None:
    """H4: the client's format is never dropped silently."""
    facts = ModelFacts("m", learnt=frozenset(refuses("response_format")))
    asked: Json = {"output_config": {"format": FORMAT}, "tools": list(tools)}
    chat = to_backend("openai", facts, **asked)
    assert "response_format" not in chat.body
    assert chat.body["messages"][0]["content"].endswith(encode_text(FORMAT["schema"]))
    assert chat.learnt == refuses("response_format")
