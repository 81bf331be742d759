"""Trace context between processes, as the W3C has it: the headers traceparent and tracestate."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
LONGEST_PARENT = 128
"""Characters of a traceparent of a version to come; those of today have 55."""
LONGEST_STATE = 512
MOST_STATES = 32
"""Characters and members that a tracestate may have: what is longer is not read at all."""
SAMPLED = 0x01

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_FORBIDDEN = "ff"
_TODAY = "00"


@dataclass(frozen=True, slots=True)
class SpanIds:
    """Where a span stands: its trace and itself, as numbers; whether the trace is recorded."""

    trace_id: int
    span_id: int
    is_sampled: bool

    @property
    def trace(self) -> str:
        """The id of the trace: 32 hexadecimal digits."""
        return f"{self.trace_id:032x}"

    @property
    def traceparent(self) -> str:
        """The header for whom this span calls."""
        return f"00-{self.trace}-{self.span_id:016x}-{self.is_sampled:02x}"


@dataclass(frozen=True, slots=True)
class RemoteParent:
    """The span of a client that calls, and the tracestate that came along, "" for none."""

    ids: SpanIds
    state: str = ""


def new_id(digits: int) -> int:
    """A random number of so many hexadecimal digits; never 0, which is no id."""
    return secrets.randbits(digits * 4) or 1


def parent_of(headers: Mapping[str, str]) -> RemoteParent | None:
    """The client's span; None where the headers name none, or are not as the W3C wants them."""
    header = headers.get(TRACEPARENT, "")
    found = _PARENT.fullmatch(header) if len(header) <= LONGEST_PARENT else None
    if found is None:
        return None
    version, trace, span, flags, rest = found.groups()
    trace_id, span_id = int(trace, 16), int(span, 16)
    if version == _FORBIDDEN or not trace_id or not span_id or (version == _TODAY and rest):
        return None
    ids = SpanIds(trace_id, span_id, bool(int(flags, 16) & SAMPLED))
    return RemoteParent(ids, _state(headers.get(TRACESTATE, "")))


def _state(header: str) -> str:
    """A tracestate within its bounds, else ""."""
    members = header.count(",") + 1
    is_good = len(header) <= LONGEST_STATE and members <= MOST_STATES and header.isprintable()
    return header.strip() if is_good else ""
