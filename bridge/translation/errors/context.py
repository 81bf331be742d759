"""What the readers of a refusal know: the request that met it, and the reply taken apart."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.translation.json import JSON

_SEVERAL_WORDS = re.compile("[A-Za-z0-9][_.-][A-Za-z0-9]|[a-z][A-Z]")
_HISTORY_FIELDS = ("reasoning_content", "reasoning", "reasoning_details")


@dataclass(frozen=True, slots=True)
class ErrorContext:
    """What is known of the request when its refusal is read.

    prompt_tokens is an estimate; context is 0 when unknown; `operator_key` says whose key the
    backend saw; `added` are optional fields of the sent body that may be left out; `sent` is that
    body; `secrets` never appear in a message.

    images_may_go      the operator lets images become placeholders
    may_stop_thinking  thinking can still be switched off for this request
    can_narrow         the schemas can still be narrowed
    may_quote          the backend's words, which may repeat the request, may be passed on
    """

    model: str = ""
    prompt_tokens: int = 0
    max_tokens: int = 0
    context: int = 0
    operator_key: bool = False
    added: frozenset[str] = frozenset()
    secrets: tuple[str, ...] = ()
    sent: Mapping[str, JSON] = field(default_factory=dict)
    images_may_go: bool = True
    may_stop_thinking: bool = False
    can_narrow: bool = False
    may_quote: bool = True

    @property
    def has_images(self) -> bool:
        return any(
            isinstance(part, dict) and part.get("type") == "image_url"
            for message in self._messages()
            for part in _parts(message.get("content"))
        )

    @property
    def is_forced(self) -> bool:
        """Whether the request makes the model call a tool."""
        choice = self.sent.get("tool_choice")
        return choice == "required" or isinstance(choice, dict)

    @property
    def has_history(self) -> bool:
        return any(message.get("role") == "assistant" for message in self._messages())

    @property
    def has_unsigned_calls(self) -> bool:
        """Whether an earlier message has calls of which none bears a vendor's members."""
        calling = (message.get("tool_calls") for message in self._messages())
        return any(not any("extra_content" in call for call in calls) for calls in calling if calls)

    @property
    def history_field(self) -> str:
        """The field in which earlier reasoning was sent; "" where none was."""
        messages = list(self._messages())
        return next((f for f in _HISTORY_FIELDS if any(f in m for m in messages)), "")

    @property
    def demanded_field(self) -> str:
        """The same, if every message with tool calls has it."""
        calling = [message for message in self._messages() if message.get("tool_calls")]
        complete = calling and all(self.history_field in message for message in calling)
        return self.history_field if complete else ""

    def without_tool_names(self, text: str) -> str:
        """A sentence without the names of several words that the sent tools have: these say nothing
        of what is refused."""
        tools = self.sent.get("tools")
        named = [_tool_name(tool) for tool in tools] if isinstance(tools, list) else []
        found = (name for name in named if _SEVERAL_WORDS.search(name) and name in text)
        for name in sorted(found, key=len, reverse=True):
            text = text.replace(name, "tool")
        return text

    def _messages(self) -> Iterator[Mapping[str, JSON]]:
        messages = self.sent.get("messages")
        for message in messages if isinstance(messages, list) else ():
            if isinstance(message, dict):
                yield message


def _tool_name(tool: JSON) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    return name if isinstance(name, str) else ""


def _parts(content: JSON) -> list[JSON]:
    return content if isinstance(content, list) else []


@dataclass(frozen=True, slots=True)
class BackendRefusal:
    """A backend's error reply, taken apart.

    text        the sentence to show;  everything   all sentences and codes, for their meaning
    own_text    the same sentence, "" where the body has none
    codes       its codes and types;   fields       request fields that it points at
    """

    status: int
    text: str
    body: JSON
    headers: dict[str, str]
    everything: str = ""
    codes: tuple[str, ...] = ()
    fields: frozenset[str] = frozenset()
    own_text: str = ""
