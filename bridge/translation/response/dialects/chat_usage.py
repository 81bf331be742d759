"""Token counts of chat completions: in which of a dozen members each server puts them.

Moonshot reports inside the choice, Groq inside `x_groq`; what a cache took is named in five ways.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.translation.json import JSON
from bridge.translation.response.deltas import ReportedUsage

MOST_DOLLARS = 1e6
"""More than this is no cost of one request."""
_WRITTEN = (
    "cache_write_tokens",
    "created_cache_tokens",
    "cache_creation_input_tokens",
    "cache_creation_tokens",
)


def usage_of(chunk: dict[str, JSON], choice: dict[str, JSON] | None) -> JSON:
    """The report of a chunk or of a plain reply, wherever it stands; None when there is none."""
    if usage := chunk.get("usage"):
        return usage
    if choice is not None and (usage := choice.get("usage")):
        return usage
    return _object(chunk["x_groq"]).get("usage") if "x_groq" in chunk else None


def read_usage(
    usage: JSON, timings: JSON = None, *, final: bool = False
) -> Iterator[ReportedUsage]:
    """Token counts from wherever the known servers put them; junk is not a count."""
    if not isinstance(usage, dict):
        return
    details = _object(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    of_answer = usage.get("completion_tokens_details") or usage.get("output_tokens_details")
    cached = (
        details.get("cached_tokens"),
        usage.get("cache_read_input_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cached_tokens"),
        _object(timings).get("cache_n"),
    )
    written = (
        *map(details.get, _WRITTEN),
        usage.get("cache_creation_input_tokens"),
        usage.get("cache_write_tokens"),
    )
    reasoning = _first_count(
        _object(of_answer).get("reasoning_tokens"), usage.get("reasoning_tokens")
    )
    read, created = _first_count(*cached) or 0, _first_count(*written) or 0
    prompt = _prompt(usage, read + created)
    yield ReportedUsage(
        prompt=prompt,
        completion=_completion(usage, prompt, reasoning),
        cached=read,
        written=created,
        reasoning=reasoning,
        final=final,
        cost_nano=_billionths(usage.get("cost")),
    )


def _prompt(usage: dict[str, JSON], cached: int) -> int | None:
    """All tokens of the prompt. Some fronts count what was cached beside it, as the total shows, or
    as their names for it do, which are those of the Messages API."""
    prompt = _first_count(usage.get("prompt_tokens"))
    completion, total = _answered(usage), _first_count(usage.get("total_tokens"))
    if prompt is not None:
        is_beside = completion is not None and total == prompt + completion + cached
        return prompt + cached if is_beside else prompt
    prompt = _first_count(usage.get("input_tokens"))
    is_beside = "cache_read_input_tokens" in usage or "cache_creation_input_tokens" in usage
    return prompt + cached if prompt is not None and is_beside else prompt


def _answered(usage: dict[str, JSON]) -> int | None:
    return _first_count(usage.get("completion_tokens"), usage.get("output_tokens"))


def _completion(usage: dict[str, JSON], prompt: int | None, reasoning: int | None) -> int | None:
    """All tokens of the answer. Some fronts count reasoning beside it, as the total shows."""
    completion, total = _answered(usage), _first_count(usage.get("total_tokens")) or 0
    if prompt is None:
        return completion
    if completion is None:
        return total - prompt if total > prompt else None
    is_beside = reasoning and total == prompt + completion + reasoning
    return completion + (reasoning or 0) if is_beside else completion


def _billionths(dollars: JSON) -> int | None:
    """An amount of money; junk is none."""
    try:
        amount = float(dollars) if isinstance(dollars, (int, float, str)) else -1.0
    except (ValueError, OverflowError):
        return None
    known = not isinstance(dollars, bool) and 0 <= amount < MOST_DOLLARS
    return round(amount * 1e9) if known else None


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _first_count(*values: JSON) -> int | None:
    for value in values:
        if value is None:
            continue
        if isinstance(value, str) and len(value) < 20 and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
            return int(value)
    return None
