"""Token counts as reported -> `usage` as the Messages API defines it.

A chat completion's prompt count includes what came from the cache; Claude's `input_tokens` does
not, so that the three input figures add up to the prompt.
"""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from bridge.translation.response import deltas, events


def newer(known: deltas.ReportedUsage, report: deltas.ReportedUsage) -> deltas.ReportedUsage:
    """What is known behind one more report. Reports are cumulative: the last complete one counts.
    A count of 0 behind a real one says that this report does not know."""
    nothing = deltas.ReportedUsage()
    if known.prompt and report.prompt == 0:
        report = replace(report, prompt=known.prompt, cached=known.cached, written=known.written)
    if known.completion and report.completion == 0:
        report = replace(report, completion=known.completion, reasoning=known.reasoning)
    complete = report.prompt is not None and report.completion is not None
    return report if complete or known == nothing else known


def to_usage(
    reported: deltas.ReportedUsage, prompt_estimate: int, output_estimate: int
) -> events.Usage:
    """`usage` from the last report of a reply; estimates stand in for what was not reported.

    The three input figures add up to the prompt.
    """
    prompt = prompt_estimate if reported.prompt is None else reported.prompt
    output = reported.completion
    if output is None or (output == 0 and reported.prompt and output_estimate > 1):
        # Words of no tokens do not exist: that count was taken before there were any.
        output = output_estimate
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
    return replace(usage, input_tokens=1)
