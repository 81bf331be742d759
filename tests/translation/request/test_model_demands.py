"""What single models demand, whatever the family of the server that runs them."""

from __future__ import annotations

import pytest

from bridge.translation.profiles import PROFILES, for_model


@pytest.mark.parametrize(
    ("family", "model", "field"),
    [
        ("openai", "o3-mini", "max_completion_tokens"),
        ("openai", "gpt-5.2", "max_completion_tokens"),
        ("openai", "gpt-4o", "max_tokens"),
        ("vllm", "gpt-5-look-alike", "max_tokens"),
        ("generic", "o3-mini", "max_tokens"),
    ],
)
def test_only_the_reference_api_renamed_the_token_limit(
    family: str, model: str, field: str
) -> None:
    """C1: never both; two open servers ignore the newer name and run for minutes (G20)."""
    assert for_model(PROFILES[family], model).max_tokens_field == field


@pytest.mark.parametrize(
    ("family", "demands"), [("generic", True), ("litellm", True), ("mistral", False)]
)
def test_demand_of_a_vendor_reaches_through_proxies(family: str, demands: bool) -> None:
    """A6: LiteLLM passes Kimi's refusals on, as a server of which nothing is known may."""
    assert for_model(PROFILES[family], "kimi-k2-thinking").demands_reasoning is demands
