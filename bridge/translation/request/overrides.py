"""What an alias says about every request that goes through it, in place of what was asked.

Beside it stands what a client means by saying nothing: Claude Code leaves `thinking` away where its
user switched it off, and on its side calls, while many models think unless a request forbids it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from msgspec import structs

from bridge.translation.json import JSON
from bridge.translation.request.schema import MessagesRequest

THINKING: dict[str, dict[str, JSON]] = {
    "off": {"thinking": {"type": "disabled"}},
    "on": {"thinking": {"type": "adaptive"}},
    "low": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    "medium": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}},
    "high": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
    "max": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}},
}
"""Choice of the operator -> the members of a request that say the same."""

ABSENT_THINKING = ("off", "leave")
"""What a request without `thinking` means: that the model must not think, or nothing."""

_CLAUDE_CODE = re.compile(r"claude-cli/([0-9]{1,4})\.([0-9]{1,4})")
_SAYS_WHEN_TO_THINK = (2, 1)
"""From this version on Claude Code sends `thinking` whenever the model shall think."""


_LABELS = (
    "thinking",
    "temperature",
    "max_tokens",
    "system_prefix",
    "thinking_when_absent",
    "extra",
    "safeguards",
)
NOT_EXTRA = frozenset(
    [
        "model",
        "messages",
        "stream",
        "stream_options",
        "tools",
        "tool_choice",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "response_format",
    ]
)
"""Fields of a chat request on which the translation of the answer relies."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """What is set for every request. Empty: as asked.

    max_tokens            a ceiling, in tokens
    thinking_when_absent  for requests that say nothing of thinking
    extra                 fields of the chat request that the Messages API has no name for
    safeguards            how verdicts on tool calls are answered, see `safeguards`
    """

    thinking: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    system_prefix: str = ""
    thinking_when_absent: str = ""
    extra: Mapping[str, JSON] = field(default_factory=dict)
    safeguards: str = ""

    def labels(self) -> tuple[str, ...]:
        """What is overridden, for the record of the request."""
        return tuple(name for name in _LABELS if getattr(self, name) not in ("", None, {}))


NONE = Overrides()


def applied(request: MessagesRequest, overrides: Overrides, client: str = "") -> MessagesRequest:
    """The request as the operator wants it; `client` is its User-Agent. The given one stays."""
    if not overrides.thinking and request.body.get("thinking") is None:
        absent = overrides.thinking_when_absent or _absent_thinking(client)
        if absent == "off":
            request = replace(request, body=request.body | THINKING["off"])
    if overrides == NONE:
        return request
    body, messages = dict(request.body), request.messages
    if overrides.thinking:
        body = _thinking(body, THINKING[overrides.thinking])
        messages = tuple(structs.replace(message, effort=None) for message in messages)
    if overrides.temperature is not None:
        body["temperature"] = overrides.temperature
    ceiling = overrides.max_tokens
    limit = request.max_tokens if ceiling is None else min(request.max_tokens, ceiling)
    prefix = (overrides.system_prefix,) if overrides.system_prefix else ()
    return replace(
        request,
        body=body,
        messages=messages,
        max_tokens=limit,
        system=(*prefix, *request.system),
    )


def merged(body: dict[str, JSON], extra: Mapping[str, JSON]) -> dict[str, JSON]:
    """A chat request with these fields; an object joins the one that is there."""
    both = dict(body)
    for name, value in extra.items():
        present = body.get(name)
        if isinstance(present, dict) and isinstance(value, dict):
            value = {**present, **value}
        both[name] = value
    return both


def _absent_thinking(client: str) -> str:
    found = _CLAUDE_CODE.match(client)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return "off" if version >= _SAYS_WHEN_TO_THINK else "leave"


def _thinking(body: dict[str, JSON], overrides: dict[str, JSON]) -> dict[str, JSON]:
    """The body with these words on thinking and no others.

    How it is shown stays the client's choice, and so does the rest of `output_config`.
    """
    config = {k: v for k, v in (body.get("output_config") or {}).items() if k != "effort"}
    config |= overrides.get("output_config", {})
    kept = {name: value for name, value in body.items() if name != "output_config"}
    shown = (body.get("thinking") or {}).get("display")
    kept |= {"thinking": overrides["thinking"] | ({"display": shown} if shown else {})}
    return kept | ({"output_config": config} if config else {})
