"""What a request is for, as Claude Code says it in headers: main conversation, sub-agent, title.

With ``CLAUDE_CODE_GATEWAY_HINT_HEADERS=1`` each request names its class. Without the hints, what
is always there decides: an agent id means a sub-agent, and a small request of a Claude Code
session without tools is a title or the like. Any client may send these headers, so a value that
is not in the lists below is kept only when it is short and printable.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAIN = "main"
SUBAGENT = "subagent"
WORKFLOW = "workflow"
COMPACTION = "compaction"
AUXILIARY = "auxiliary"
JUDGE = "judge"
"""The gateway's own requests to a judge model. No client's request is of this class."""
REQUEST_CLASSES = (MAIN, SUBAGENT, WORKFLOW, COMPACTION, AUXILIARY)
AGENT_TYPES = ("Explore", "Plan", "general-purpose", "custom", "teammate", "fork")
COMPACTIONS = ("auto", "manual", "reactive")

_PREFIX = "x-claude-code-"
SESSION_HEADER = f"{_PREFIX}session-id"
SMALL_REQUEST = 16 * 1024
"""Bytes of a body. The request for a session's title has 4 KB; a main request to which its user
gave no tools has 17 KB or more, for it carries the whole system prompt."""

MAX_TOOLS = 32
MAX_DURATIONS_LENGTH = 4096
LONGEST_TOOL_NAME = 128
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,39}")
_ID = re.compile(r"[!-~]{1,64}")
_QUOTED_BYTE = re.compile(rb"%([0-9A-Fa-f]{2})")
_MILLISECONDS = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class RequestPurpose:
    """What one request is for; "" for what its client did not say.

    request_class   one of REQUEST_CLASSES or a newer word; "" from clients that are not Claude Code
    agent_type      which kind of sub-agent asks: one of AGENT_TYPES or a newer word
    prompt_id       the user's prompt that it serves, shared with the sub-agents of that prompt
    compaction      this request summarises: why, one of COMPACTIONS
    compacted       the first request after a compaction: why that was made
    tool_milliseconds   how long the tools of the turn before ran, by name
    """

    request_class: str = ""
    agent_type: str = ""
    agent_id: str = ""
    parent_agent_id: str = ""
    prompt_id: str = ""
    compaction: str = ""
    compacted: str = ""
    tool_milliseconds: Mapping[str, int] = field(default_factory=dict)


UNKNOWN = RequestPurpose()


def read_purpose(
    headers: Mapping[str, str], size: int = 0, *, has_tools: bool = True
) -> RequestPurpose:
    """The purpose of a request with these headers, their names in lower case.

    `size` is that of its body in bytes; leave both facts out where the body cannot be read.
    """
    if not any(name.startswith(_PREFIX) for name in headers):
        return UNKNOWN
    agent_id = _matching(_ID, headers, "agent-id")
    compaction = _matching(WORD, headers, "compaction")
    return RequestPurpose(
        request_class=(
            _named_class(headers)
            or _class_of(headers, agent_id, compaction, 0 < size <= SMALL_REQUEST and not has_tools)
        ),
        agent_type=_matching(WORD, headers, "agent-type"),
        agent_id=agent_id,
        parent_agent_id=_matching(_ID, headers, "parent-agent-id"),
        prompt_id=_matching(_ID, headers, "prompt-id"),
        compaction=compaction,
        compacted=_matching(WORD, headers, "context-compacted"),
        tool_milliseconds=_durations(headers.get(f"{_PREFIX}prev-tool-durations", "")),
    )


def _matching(pattern: re.Pattern[str], headers: Mapping[str, str], name: str) -> str:
    """The value of one of Claude Code's headers; "" where it is absent or does not fit."""
    value = headers.get(f"{_PREFIX}{name}", "").strip()
    return value if pattern.fullmatch(value) else ""


def _named_class(headers: Mapping[str, str]) -> str:
    name = _matching(WORD, headers, "request-class").lower()
    return "" if name == JUDGE else name


def _class_of(
    headers: Mapping[str, str], agent_id: str, compaction: str, is_side_call: bool
) -> str:
    """The class of a request that does not name it."""
    if compaction:
        return COMPACTION
    if agent_id:
        return SUBAGENT
    if not headers.get(SESSION_HEADER):
        return ""
    return AUXILIARY if is_side_call else MAIN


def _durations(text: str) -> dict[str, int]:
    """Milliseconds by tool from ``Bash=742;Read=9``; calls of one tool are added up."""
    durations: dict[str, int] = {}
    if not text or len(text) > MAX_DURATIONS_LENGTH:
        return durations
    for name, milliseconds in _entries(text):
        durations[name] = durations.get(name, 0) + milliseconds
    return durations


def _entries(text: str) -> Iterator[tuple[str, int]]:
    """The readable ones of the first entries, their names decoded."""
    for entry in text.split(";", MAX_TOOLS)[:MAX_TOOLS]:
        quoted, _, number = entry.partition("=")
        name = _unquoted(quoted.strip())
        number = number.strip()
        is_name = 0 < len(name) <= LONGEST_TOOL_NAME and name.isprintable()
        if is_name and _MILLISECONDS.fullmatch(number):
            yield name, int(number)


def _unquoted(text: str) -> str:
    """The text with its percent-encoded bytes decoded; what is no UTF-8 becomes U+FFFD."""
    raw = _QUOTED_BYTE.sub(
        lambda match: bytes([int(match[1], 16)]), text.encode("utf-8", "replace")
    )
    return raw.decode("utf-8", "replace")
