"""What a probe may conclude: refusals, facts, evidence. Pure.

Issue text: facts are named as the model's, and what could not be told is not guessed.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from bridge.models import DiscoveredModel
from bridge.probe import reply
from bridge.probe.check import Finding, find, known_facts, plain
from bridge.probe.checks import CHECKS
from bridge.probe.limit_checks import HUGE
from bridge.translation.errors.from_backend import ErrorContext
from tests.bridge.judging import BY_NAME, asked, judged, knowing, refused, subject, weather
from tests.fakes.chunks import call, finish, fold, reasoning, text

TRIED_IN_VAIN = ("tools", "stream_tools", "parallel_tools", "tool_named")


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [c.name for c in CHECKS if not c.judges_refusals])
def test_refusal_is_a_no_in_the_backends_words(name: str) -> None:
    finding = refused(name, "that is not for me", 422)
    assert (finding.works, finding.facts) == (False, {})
    assert finding.evidence == "Answered with status 422, that is not for me"


@pytest.mark.parametrize("name", BY_NAME)
def test_no_answer_shows_nothing(name: str) -> None:
    """Issue text: what could not be told is not guessed."""
    finding = find(BY_NAME[name], reply.ProbeReply(silence="busy"), subject())
    assert (finding.works, finding.facts) == (None, {})
    assert finding.evidence == "No answer to judge: busy"


def test_thinking_seen_before_is_not_undone_by_a_refused_switch() -> None:
    finding = refused(
        "reasoning", "unknown field reasoning_effort", about=knowing(True, "plain", reasoning=True)
    )
    assert finding.works is True
    assert "unknown field reasoning_effort" in finding.evidence


# --- facts --------------------------------------------------------------------------------------


def test_facts_are_the_models() -> None:
    """Issue text: facts are named as the columns of a model."""
    findings = [
        judged("tools", weather()),
        judged("image", "Green, yellow"),
        judged("reasoning", reasoning("hm")),
        refused("limits", "This model's maximum context length is 8192 tokens."),
        refused("limits", "This model supports at most 4096 completion tokens"),
    ]
    facts = known_facts(findings)
    assert facts == {
        "tools": True,
        "vision": True,
        "reasoning": True,
        "context": 8192,
        "max_output": 4096,
    }
    assert set(facts) == set(DiscoveredModel.FACTS)


def test_thinking_proves_itself_in_any_answer() -> None:
    assert judged("stop", reasoning("hm"), "1, 2, 3, 4, ").facts == {"reasoning": True}


@pytest.mark.parametrize(
    ("name", "message", "status", "facts"),
    [
        ("tools", "llama3 does not support tools", 400, {"tools": False}),
        ("tools", "tools param requires --jinja flag", 500, {"tools": False}),
        ("tools", "something else is wrong", 400, {}),
        ("image", "image input is not supported - hint: mmproj", 500, {"vision": False}),
        ("image", "At most 0 image(s) may be provided", 400, {"vision": False}),
        ("image", "something else is wrong", 400, {}),
        ("reasoning", '"llama3" does not support thinking', 400, {"reasoning": False}),
        ("reasoning", "Unrecognized request argument: reasoning_effort", 400, {}),
        ("stream_tools", "llama3 does not support tools", 400, {}),
    ],
)
def test_refusals_prove_only_what_they_say(
    name: str, message: str, status: int, facts: dict[str, Any]
) -> None:
    finding = refused(name, message, status)
    assert (finding.works, finding.facts) == (False, facts)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tools", "It is sunny."),
        ("image", "Blue and red"),
        ("image", "I cannot see pictures."),
        ("reasoning", "No"),
    ],
)
def test_one_answer_without_it_proves_nothing(name: str, said: str) -> None:
    """Issue text: never a guess."""
    assert judged(name, said).facts == {}


def test_no_call_in_any_check_proves_that_tools_are_not_taken() -> None:
    in_vain = knowing(False, *TRIED_IN_VAIN)
    assert judged("tool_required", "Hello.", about=in_vain).facts == {"tools": False}
    once = in_vain.with_finding(Finding("tools", "", None, ""))
    assert judged("tool_required", "Hello.", about=once).facts == {}
    assert judged("tool_required", "Hello.", finish("length"), about=in_vain).facts == {}


def test_forced_call_does_not_prove_a_free_one() -> None:
    """Ours: clients leave the choice to the model."""
    time = call(0, "c", "get_time", '{"zone": "UTC"}')
    assert judged("tool_named", time).facts == {}
    assert judged("tool_required", time).facts == {}


LIMITS: list[tuple[str, dict[str, int]]] = [
    (
        "'max_tokens' or 'max_completion_tokens' is too large: 100000000. This model's maximum "
        "context length is 8192 tokens and your request has 33 input tokens "
        "(100000000 > 8192 - 33).",
        {"context": 8192},
    ),
    ("max_tokens=100000000 cannot be greater than max_model_len=8192.", {"context": 8192}),
    (
        "max_tokens is too large: 100000000. This model supports at most 16384 completion "
        "tokens, whereas you provided 100000000.",
        {"max_output": 16384},
    ),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", {"max_output": 8192}),
    ("Range of max_tokens should be [1, 32768]", {"max_output": 32768}),
    ("max_tokens for `some-8b` must be less than or equal to 8000", {"max_output": 8000}),
    ("`max_tokens` must be less than or equal to `32768`", {"max_output": 32768}),
    (
        "The parameter max_tokens specified in the request is not valid: integer above maximum "
        "value, expected a value <= 32768, but got 100000000 instead.",
        {"max_output": 32768},
    ),
    ("max_tokens (current value: 100000000) must be between 0 and 4000", {"max_output": 4000}),
    (
        "max_tokens: 100000000 > 8192, which is the maximum allowed number of output tokens",
        {"max_output": 8192},
    ),
    ("max_tokens is too large: 100000000", {}),
    ("max_tokens must be at least 1", {}),
    ("This model's maximum context length is 100000000 tokens", {}),
    ("This model supports at most 1 completion tokens", {}),
]


@pytest.mark.parametrize(("message", "facts"), LIMITS, ids=[m[:60] for m, _ in LIMITS])
def test_limits_are_read_from_refusals(message: str, facts: dict[str, int]) -> None:
    """wire E4: a dozen wordings."""
    finding = refused("limits", message)
    assert (finding.works, finding.facts) == (bool(facts), facts)
    assert message[:30] in finding.evidence


def test_limit_in_a_member_of_the_refusal_is_read() -> None:
    """backends 1.4: one server tells its window in `n_ctx`."""
    finding = refused("limits", "too long", type="exceed_context_size_error", n_ctx=4096)
    assert finding.facts == {"context": 4096}


def test_declared_context_is_evidence_and_stays_the_lists() -> None:
    """Ours: the list may change, and a copy of it would stand in front of it."""
    about = subject(context=4096)
    for finding in (judged("limits", "5", about=about), refused("limits", "no", about=about)):
        assert (finding.works, finding.facts) == (True, {})
        assert "4096" in finding.evidence


def test_nothing_large_is_sent_to_learn_the_limits() -> None:
    check = BY_NAME["limits"]
    body = asked(check, subject())
    assert (body["max_tokens"], body["stream"], check.read_bytes < 1000) == (HUGE, True, True)


# --- evidence -----------------------------------------------------------------------------------


def test_evidence_is_one_short_line_without_secrets() -> None:
    """Issue text: at most 200 characters, no control characters, no key, no host."""
    said = (
        "\x1b[31mred\x07\u202eevil\u2028line\n\tkey cpk_1234567890 and secret-1 at "
        "llm.example.com:8443 in /home/me/models " + "x" * 300
    )
    about = subject()
    body = asked(BY_NAME["plain"], about)
    answer = reply.answer(json.dumps(fold((text(said),), "m")).encode(), body, ErrorContext())
    secrets = ("secret-1", "llm.example.com:8443", "llm.example.com")
    shown = find(BY_NAME["plain"], replace(answer, finish=said), about, secrets).evidence
    whole = plain(said, secrets)
    for one in (shown, whole):
        assert len(one) <= 200
        assert one.isprintable()
        for secret in ("secret-1", "example", "cpk_", "/home"):
            assert secret not in one
    assert whole.startswith(
        "[31mred evil line key [redacted] and [redacted] at [redacted] in [path]"
    )


def test_secret_that_stands_at_the_cut_is_gone_all_the_same() -> None:
    assert "secret" not in plain("x" * 195 + "secret-1", ("secret-1",))


def test_finding_is_stored_without_its_facts() -> None:
    document = judged("tools", weather()).document()
    assert document == {
        "check": "tools",
        "title": "Tool call",
        "works": True,
        "evidence": 'get_weather({"city": "Lisbon"})',
    }
