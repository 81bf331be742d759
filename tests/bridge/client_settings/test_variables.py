"""What Claude Code is told about a model: true sizes, its own names, and nothing without use."""

from dataclasses import replace
from typing import Any

import pytest

from bridge.client_settings.variables import (
    ClientSetup,
    claude_code,
    known,
    output_cap,
    permission_mode,
    remarks,
)
from bridge.translation.profiles import ModelFacts

ACCESS = ["ANTHROPIC_BASE_URL", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY"]
FAMILIES = [f"ANTHROPIC_DEFAULT_{name}_MODEL" for name in ("OPUS", "SONNET", "FABLE", "HAIKU")]
WINDOW, OUTPUT = "CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_MAX_OUTPUT_TOKENS"
DISCOVERY = "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"
HINTS = "CLAUDE_CODE_GATEWAY_HINT_HEADERS"


def a_connection(model: str = "test/alpha", small: str = "", **facts: Any) -> ClientSetup:
    return ClientSetup("http://gateway.test", model, ModelFacts(model, **facts), small)


def values(model: str = "test/alpha", small: str = "", **facts: Any) -> dict[str, str]:
    return {v.name: v.value for v in claude_code(a_connection(model, small, **facts))}


def test_unknown_model_gets_access_and_names_only() -> None:
    """Ours: where nothing is known, nothing is invented."""
    assert list(values()) == [*ACCESS, "ANTHROPIC_MODEL", *FAMILIES, DISCOVERY, HINTS]


def test_key_is_sent_as_a_bearer_alone() -> None:
    """Observed client: asks before it uses ANTHROPIC_API_KEY, and sends both where both are set."""
    found = values()
    assert (found["ANTHROPIC_AUTH_TOKEN"], found["ANTHROPIC_API_KEY"]) == ("YOUR_KEY", "")


def test_every_family_stands_for_the_model() -> None:
    """Observed client: uses names of its own for sub-agents and checks, whatever was chosen."""
    found = values("zai-org/GLM-4.5-Air")
    assert {found[name] for name in FAMILIES} == {"zai-org/GLM-4.5-Air"}


def test_family_that_leads_somewhere_needs_no_line() -> None:
    """Ours: an alias in the gateway can be changed for all clients; a line of a shell cannot."""
    caught = replace(a_connection(), caught=frozenset({"opus", "sonnet", "haiku"}))
    assert [v.name for v in claude_code(caught) if v.name in FAMILIES] == [FAMILIES[2]]
    with_small = [v for v in claude_code(replace(caught, small="tiny")) if v.name in FAMILIES]
    assert {v.name: v.value for v in with_small} == {FAMILIES[2]: "test/alpha", FAMILIES[3]: "tiny"}


def test_small_model_does_small_jobs() -> None:
    """Observed client: haiku for sub-agents, the older name before it for titles and web pages."""
    found = values("big", small="tiny")
    names = ["ANTHROPIC_DEFAULT_HAIKU_MODEL", "ANTHROPIC_SMALL_FAST_MODEL"]
    assert [found[name] for name in names] == ["tiny", "tiny"]
    assert {found[name] for name in (*FAMILIES[:3], "ANTHROPIC_MODEL")} == {"big"}


def test_window_is_the_models_own() -> None:
    """Observed client: assumes a million tokens for a model that it does not know."""
    assert values(context=131072)[WINDOW] == "131072"


def test_unknown_window_is_said_and_not_invented() -> None:
    """Ours: a wrong number would be worse than none."""
    connection = a_connection()
    assert WINDOW not in values()
    assert [WINDOW in remark and "not known" in remark for remark in remarks(connection)] == [True]
    assert dict(known(connection.facts))["Context window"] == "not known"
    assert remarks(a_connection(context=131072)) == ()


@pytest.mark.parametrize(
    ("context", "max_output", "expected"),
    [
        (None, None, None),
        (131072, None, None),
        (None, 8192, 8192),
        (131072, 98304, 98304),
        (131072, 131072, None),
        (400000, 200000, 128000),
        (81920, None, None),
        (40960, None, 10240),
        (40960, 40960, 10240),
        (40960, 4096, 4096),
        (32768, None, 8192),
    ],
)
def test_answers_are_capped_where_that_helps(
    context: int | None, max_output: int | None, expected: int | None
) -> None:
    """Observed client: keeps min(cap, 20 000) of the window free, asks for 128 000 at most."""
    facts = ModelFacts("m", context=context, max_output=max_output)
    assert output_cap(facts) == expected
    told = values(context=context, max_output=max_output).get(OUTPUT)
    assert told == (None if expected is None else str(expected))


@pytest.mark.parametrize("window", [24_000, 32768, 40960, 65536, 131072])
def test_first_request_fits_before_compaction_begins(window: int) -> None:
    """Observed client: compacts 3 000 tokens before the reserve; its first request takes 14 000."""
    cap = output_cap(ModelFacts("m", context=window)) or 20_000
    assert window - min(cap, 20_000) - 3_000 > 14_000
    assert not any("--bare" in text for text in remarks(a_connection(context=window)))


def test_reason_of_a_cap_is_the_true_one() -> None:
    """Ours: three reasons for one variable."""

    def why(**facts: Any) -> str:
        return next(v.why for v in claude_code(a_connection(**facts)) if v.name == OUTPUT)

    assert "model gives" in why(context=131072, max_output=8192)
    assert "Claude Code asks for" in why(context=400000, max_output=200000)
    assert "quarter" in why(context=32768)


@pytest.mark.parametrize("model", ["claude-glm", "test/alpha"])
def test_picker_and_hints_are_on(model: str) -> None:
    """Observed client: fills its picker and says what a request is for only where that is set."""
    assert (values(model)[DISCOVERY], values(model)[HINTS]) == ("1", "1")


@pytest.mark.parametrize(
    ("context", "mode"), [(None, ""), (32768, "default"), (39_999, "default"), (40_000, "")]
)
def test_client_asks_where_its_own_check_of_a_command_cannot_fit(
    context: int | None, mode: str
) -> None:
    """Observed client: a check of auto mode is a request of 144 KB."""
    connection = a_connection(context=context)
    assert permission_mode(connection) == mode
    assert any("asks you" in text for text in remarks(connection)) is bool(mode)
    assert permission_mode(replace(connection, is_judged=True)) == ""


def test_every_line_has_one_reason() -> None:
    """Ours: a settings block that nobody understands is not kept up."""
    variables = claude_code(a_connection("claude-x", "tiny", context=32768, max_output=4096))
    assert len({v.name for v in variables}) == len(variables) == 13
    assert len({v.why for v in variables}) == len(variables)
    for variable in variables:
        assert variable.why.endswith(".") and "\n" not in variable.why


@pytest.mark.parametrize(
    ("model", "facts", "word"),
    [
        ("test/alpha", {"context": 16384}, "--bare"),
        ("test/alpha", {"context": 131072, "tools": False}, "tools"),
        ("my-*", {"context": 131072}, "pattern"),
        ("claude-sonnet-5", {"context": 131072}, "alias"),
        ("anthropic/claude-opus-4-8", {"context": 131072}, "alias"),
        ("claude-3-5-sonnet-20241022", {"context": 131072}, "alias"),
    ],
)
def test_reader_is_warned(model: str, facts: dict[str, Any], word: str) -> None:
    """Observed client: tiny windows, no tools, names that it knows better."""
    *_, remark = remarks(a_connection(model, **facts))
    assert word in remark


@pytest.mark.parametrize("model", ["claude-glm-4.5", "claude-sonnet-latest", "sonnet"])
def test_other_names_keep_their_window(model: str) -> None:
    """Observed client: takes the number for any name that it does not know."""
    assert remarks(a_connection(model, context=131072)) == ()


def test_known_facts_are_told_in_words() -> None:
    """ui: thin separators, units, and no guess."""
    facts = ModelFacts("m", context=131072, max_output=8192, tools=True, vision=False)
    assert known(facts) == (
        ("Context window", "131\u2009072 tokens"),
        ("Longest answer", "8\u2009192 tokens"),
        ("Tools", "yes"),
        ("Images", "no"),
        ("Thinking", "not known"),
    )
