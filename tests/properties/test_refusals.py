"""Refusals built from a grammar of sentences: each is told apart from the others, and read.

Subject, limit, order of the numbers, units, language and nesting vary; what a text means does not.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.translation.errors.from_backend import ErrorContext, from_reply
from tests.shapes import Json

ASKED = 32_000
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SENT = {"messages": [{"role": "user", "content": [PICTURE]}], "max_tokens": ASKED}
CONTEXT = ErrorContext(model="m", prompt_tokens=50, max_tokens=ASKED, sent=SENT)

limits = st.integers(2_000, 30_000)
excess = st.integers(1, 500_000)
OVERFLOWS = (
    "{subject} is too long: {n}{unit}, the {limit} is {m}{unit}",
    "the {limit} is {m}{unit}, but your {subject} has {n}{unit}",
    "{subject} ({n}{unit}) exceeds the {limit} ({m}{unit})",
    "{subject} of {n}{unit} is longer than the {limit} of {m}{unit}",
    "Your {subject} contains {n}{unit}, which is more than the {limit} of {m}{unit}. Shorten it.",
    "{n}{unit} in the {subject} > {m}{unit} {limit}",
    "{subject}长度 {n} 超过最大上下文长度 {m}",
)
SUBJECTS = ("prompt", "input", "Input", "conversation", "prompt length")
LIMITS = ("maximum context length", "context window", "model's context limit", "max context size")
OUTPUTS = (
    "max_tokens is too large: {c}. This model supports at most {m} completion tokens",
    "the valid range of max_tokens is [1, {m}]",
    "`max_tokens` must be less than or equal to `{m}`",
    "max_tokens: {c} > {m}, which is the maximum allowed number of output tokens",
    "Invalid value for max_completion_tokens: {c}. Must be between 1 and {m}.",
    "Requested {c} output tokens, the limit is {m}",
    "参数 max_tokens 取值范围 [1, {m}]",
)
BLIND = (
    "{what} input is not supported by this model",
    "this model does not support {what}s",
    "{model} is not a multimodal model",
    "unknown variant `image_url`, expected `text`",
    "only text content is accepted, image_url was unexpected",
    "该模型不支持{what}",
)
RATES = (
    "Rate limit reached: {n} tokens per minute, limit {m}",
    "Too many tokens, please wait before trying again",
    "Too many requests per minute, slow down",
    "TPM limit of {m} exceeded, {n} used",
)
QUOTAS = ("Insufficient balance", "You have no credits left", "账户余额不足", "quota exceeded")


def _plain(text: str) -> Json:
    return {"error": {"message": text, "type": None, "code": None}}


def _quoted(text: str) -> Json:
    inner = json.dumps({"error": {"message": text}})
    metadata = {"raw": inner, "provider_name": "Provider"}
    return {"error": {"message": "Provider returned error", "code": 400, "metadata": metadata}}


def _prefixed(text: str) -> Json:
    inner = json.dumps({"error": {"message": text}})
    return {"error": {"message": f"Engine returned an error: {inner}"}}


NESTINGS: tuple[Any, ...] = (
    _plain,
    _quoted,
    _prefixed,
    lambda text: [_plain(text)],
    lambda text: {"code": "x", "message": text},
    lambda text: {"detail": text},
    lambda text: {"error": text},
    lambda text: {"base_resp": {"status_code": 2013, "status_msg": text}},
)


def refused(body: Any, status: int = 400) -> Any:
    return from_reply(status, {}, json.dumps(body).encode(), CONTEXT)


@given(
    st.sampled_from(OVERFLOWS),
    st.sampled_from(SUBJECTS),
    st.sampled_from(LIMITS),
    st.sampled_from(("", " tokens")),
    st.sampled_from(NESTINGS),
    limits,
    excess,
    st.booleans(),
)
def test_overflow_is_recognised_and_its_numbers_are_read(
    sentence: str,
    subject: str,
    limit: str,
    unit: str,
    nested: Any,
    m: int,
    over: int,
    grouped: bool,
) -> None:
    """A1, A3-A5: whatever the wording, both numbers stand where Claude Code looks for them."""
    n = m + over
    if ASKED in (n, m):
        n += 1
    shown = (f"{n:,}", f"{m:,}") if grouped else (str(n), str(m))
    text = sentence.format(subject=subject, limit=limit, unit=unit, n=shown[0], m=shown[1])
    assert refused(nested(text)).message == f"prompt is too long: {n} tokens > {m} maximum", text


@given(st.sampled_from(OUTPUTS), st.sampled_from(NESTINGS), limits)
def test_limit_of_the_answer_is_mended_and_no_overflow(sentence: str, nested: Any, m: int) -> None:
    """A1, A2: the number that the text names, whatever stands beside it."""
    error = refused(nested(sentence.format(c=ASKED, m=m)))
    assert error.remedy is not None
    assert [(fact.what, fact.value) for fact in error.remedy.facts] == [("max_output", str(m))]
    assert "prompt is too long" not in error.message


@given(
    st.sampled_from(BLIND),
    st.sampled_from(("image", "vision", "multi-modal")),
    st.sampled_from(NESTINGS),
    st.sampled_from((400, 404, 422, 500)),
)
def test_refused_images_are_mended_by_placeholders(
    sentence: str, what: str, nested: Any, status: int
) -> None:
    """A7: and the text is the one on which Claude Code strips images."""
    error = refused(nested(sentence.format(what=what, model="m")), status)
    assert error.message.startswith("Could not process image: ")
    assert [(fact.what, fact.value) for fact in error.remedy.facts] == [("vision", "no")]


@given(st.sampled_from(RATES), st.sampled_from(NESTINGS), limits, limits)
def test_rate_limit_is_one(sentence: str, nested: Any, n: int, m: int) -> None:
    """A limit over time mends itself: no compaction, no second try with less."""
    error = refused(nested(sentence.format(n=n, m=m)), 429)
    assert (error.status, error.type, error.remedy) == (429, "rate_limit_error", None)


@given(st.sampled_from(QUOTAS), st.sampled_from(NESTINGS), st.sampled_from((402, 403, 429)))
def test_used_up_quota_is_billing(sentence: str, nested: Any, status: int) -> None:
    error = refused(nested(sentence), status)
    assert (error.status, error.type, error.should_retry) == (402, "billing_error", False)


@given(st.text(max_size=300), st.sampled_from(NESTINGS), st.sampled_from((400, 404, 422, 429, 500)))
def test_any_text_becomes_an_error_with_a_sentence(text: str, nested: Any, status: int) -> None:
    error = refused(nested(text), status)
    assert error.status >= 400 and error.message
