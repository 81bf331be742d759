"""Calls as a judge reads them."""

import json

from bridge.translation.response.events import (
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    InputJsonDelta,
    ToolUseBlock,
)
from bridge.translation.safeguards.tool_calls import CallCollector, FinishedCall
from tests.fakes.chunks import Json

PIECE = 7


def a_call(command: str, name: str = "Bash", ident: str = "t1") -> FinishedCall:
    return FinishedCall(ident, name, {"command": command})


def collected(*calls: tuple[str, Json | str], ident: str = "t") -> CallCollector:
    """These calls, as (tool, arguments or their text), in pieces."""
    collector = CallCollector()
    for place, (name, given) in enumerate(calls):
        raw = given if isinstance(given, str) else json.dumps(given)
        collector.feed([ContentBlockStart(place, ToolUseBlock(f"{ident}{place}", name))])
        for start in range(0, len(raw), PIECE):
            delta = InputJsonDelta(raw[start : start + PIECE])
            collector.feed([ContentBlockDelta(place, delta)])
        collector.feed([ContentBlockStop(place)])
    return collector
