"""Reported token counts -> `usage`, whose three input figures add up to the prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.translation.json import encode
from bridge.translation.response import deltas
from bridge.translation.response.usage import shown, to_usage
from tests.shapes import Json


def usage(fresh: int, output: int, written: int = 0, read: int = 0, **more: Any) -> Json:
    return {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        **more,
    }


THOUGHT: Json = {"output_tokens_details": {"thinking_tokens": 3}}
REPORTS: list[tuple[str, deltas.ReportedUsage, Json]] = [
    ("F88 nothing", deltas.ReportedUsage(), usage(70, 7)),
    ("prompt and completion", deltas.ReportedUsage(11, 2), usage(11, 2)),
    ("only the prompt", deltas.ReportedUsage(prompt=11), usage(11, 7)),
    ("only the completion", deltas.ReportedUsage(completion=2), usage(70, 2)),
    ("F87 a cached part", deltas.ReportedUsage(100, 2, cached=80), usage(20, 2, read=80)),
    ("F87 all of it cached", deltas.ReportedUsage(100, 2, cached=100), usage(1, 2, read=100)),
    ("F87 more than all cached", deltas.ReportedUsage(100, 2, cached=300), usage(1, 2, read=100)),
    ("D6 written", deltas.ReportedUsage(100, 2, cached=50, written=30), usage(20, 2, 30, 50)),
    ("D6 more written than is left", deltas.ReportedUsage(100, 2, 50, 99), usage(1, 2, 50, 50)),
    ("words of no tokens", deltas.ReportedUsage(11, 0), usage(11, 7)),
    ("D6 no prompt at all", deltas.ReportedUsage(0, 0), usage(0, 0)),
    ("D6 thinking", deltas.ReportedUsage(11, 5, reasoning=3), usage(11, 5, **THOUGHT)),
    (
        "D6 more thinking than output",
        deltas.ReportedUsage(11, 3, reasoning=9),
        usage(11, 3, **THOUGHT),
    ),
    (
        "a cache without a prompt",
        deltas.ReportedUsage(cached=20, completion=2),
        usage(50, 2, read=20),
    ),
]


@pytest.mark.parametrize(("report", "told"), [r[1:] for r in REPORTS], ids=[r[0] for r in REPORTS])
def test_report_becomes_usage(report: deltas.ReportedUsage, told: Json) -> None:
    """The specification, D6."""
    counted = to_usage(report, prompt_estimate=70, output_estimate=7)
    assert json.loads(encode(shown(counted))) == told


@pytest.mark.parametrize("report", [r[1] for r in REPORTS], ids=[r[0] for r in REPORTS])
def test_input_figures_add_up_to_the_prompt(report: deltas.ReportedUsage) -> None:
    """The ledger sums them, so a prompt that was cached whole is not one token longer."""
    counted = to_usage(report, prompt_estimate=70, output_estimate=7)
    cached = counted.cache_read_input_tokens + counted.cache_creation_input_tokens
    prompt = 70 if report.prompt is None else report.prompt
    assert counted.input_tokens + cached == prompt
