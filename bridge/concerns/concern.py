"""One thing that needs attention."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.backends.status import BAD, WARN


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that an operator should look at.

    word   one or two words for a badge, in lower case
    href   where it is looked into or mended, `link` what stands there; both may be ""
    beside   another place, and what stands there
    tone   as the states of backends have it
    """

    text: str
    href: str = ""
    tone: str = WARN
    word: str = ""
    link: str = ""
    beside: tuple[str, str] = ("", "")

    @property
    def is_grave(self) -> bool:
        return self.tone == BAD
