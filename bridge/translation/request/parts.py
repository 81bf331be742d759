"""What a content block comes down to on the way to a chat completion.

Thirty kinds of blocks, eight kinds of pieces: the order and repair of a conversation
(`conversation.py`) is decided over these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from bridge.translation.kept import Kept


class TextPart(msgspec.Struct, frozen=True, gc=False):
    """Text."""

    text: str


class ImagePart(msgspec.Struct, frozen=True, gc=False):
    """An image, as a data: or http(s) URL."""

    url: str


class FilePart(msgspec.Struct, frozen=True, gc=False):
    """A PDF, for backends that take file parts."""

    filename: str
    data_url: str


@dataclass(frozen=True, slots=True)
class ReasoningPart:
    """The assistant's earlier thinking, with what its signature keeps for the backend."""

    text: str
    kept: Kept = field(default_factory=Kept)


class ToolCallPart(msgspec.Struct, frozen=True, gc=False):
    """A tool call in the history. `arguments` is JSON text of an object."""

    id: str
    name: str
    arguments: str


class ToolResultPart(msgspec.Struct, frozen=True, gc=False):
    """A tool's answer. `path` is its place in the request, for strict pairing."""

    tool_use_id: str
    text: str
    pictures: tuple[ImagePart, ...] = ()
    path: str = ""


class SummaryPart(msgspec.Struct, frozen=True, gc=False):
    """What a compaction left of the conversation before it."""

    text: str


class SystemPart(msgspec.Struct, frozen=True, gc=False):
    """A later system message that stays one (profiles with `inline_system="inline"`)."""

    text: str


Part = (
    TextPart
    | ImagePart
    | FilePart
    | ReasoningPart
    | ToolCallPart
    | ToolResultPart
    | SummaryPart
    | SystemPart
)


@dataclass(slots=True)
class ChatTurn:
    """All of one side before the other side's turn. `path` names its first message."""

    role: str
    path: str
    pieces: list[Part] = field(default_factory=list)


def join_texts(texts: list[str]) -> str:
    """Texts of neighbouring blocks as one: a blank line where neither side has white space."""
    joined: list[str] = []
    for text in filter(None, texts):
        if joined and not joined[-1][-1].isspace() and not text[0].isspace():
            joined.append("\n\n")
        joined.append(text)
    return "".join(joined)
