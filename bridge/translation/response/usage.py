"""Token counts as reported -> `usage` as the Messages API defines it.

A chat completion's prompt count includes what came from the cache; Claude's `input_tokens` does
not, so that the three input figures add up to the prompt.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET

from bridge.translation.response import deltas, events


def to_usage(
    reported: deltas.ReportedUsage, prompt_estimate: int, output_estimate: int
) -> events.Usage:
    """`usage` from the last report of a reply; estimates stand in for what was not reported.

    The three input figures add up to the prompt.
    """
    prompt = prompt_estimate if reported.prompt is None else reported.prompt
    output = output_estimate if reported.completion is None else reported.completion
    read = min(reported.cached, prompt)
    written = min(reported.written, prompt - read)
    fresh = prompt - read - written
    details = (
        UNSET
        if reported.reasoning is None
        else events.OutputDetails(min(reported.reasoning, output))
    )
    return events.Usage(
        input_tokens=fresh,
        output_tokens=output,
        cache_creation_input_tokens=written,
        cache_read_input_tokens=read,
        output_tokens_details=details,
    )


def shown(usage: events.Usage) -> events.Usage:
    """The same for clients, which take an input of 0 for a missing report."""
    cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    if usage.input_tokens or not cached:
        return usage
    return msgspec.structs.replace(usage, input_tokens=1)
