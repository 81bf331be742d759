"""What a content block comes down to on the way to a chat completion.

Thirty kinds of blocks, eight kinds of pieces: the order and repair of a conversation
(`conversation.py`) is decided over these alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Words:
    """Text."""

    text: str


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, as a data: or http(s) URL."""

    url: str


@dataclass(frozen=True, slots=True)
class File:
    """A PDF, for backends that take file parts."""

    filename: str
    data_url: str


@dataclass(frozen=True, slots=True)
class Thought:
    """The assistant's earlier thinking."""

    text: str


@dataclass(frozen=True, slots=True)
class CallMade:
    """A tool call in the history. `arguments` is JSON text of an object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Result:
    """A tool's answer. `path` is its place in the request, for strict pairing."""

    tool_use_id: str
    text: str
    pictures: tuple[Picture, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """What a compaction left of the conversation before it."""

    text: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """A later system message that stays one (profiles with `inline_system="inline"`)."""

    text: str


Piece = Words | Picture | File | Thought | CallMade | Result | Summary | Instruction


@dataclass(slots=True)
class Turn:
    """All that one side said before the other spoke. `path` names its first message."""

    role: str
    path: str
    pieces: list[Piece] = field(default_factory=list)


def join_texts(texts: list[str]) -> str:
    """Texts of neighbouring blocks as one: a blank line where neither side has white space."""
    joined = ""
    for text in texts:
        if joined and text and not joined[-1].isspace() and not text[0].isspace():
            joined += "\n\n"
        joined += text
    return joined
