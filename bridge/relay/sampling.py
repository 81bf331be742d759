"""Bodies of single requests, for keys whose operator asked for them.

Off unless a key says otherwise. What is kept is cut to a size, images and files are left out, and
credentials and paths are taken out of the text.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from bridge.translation.errors.redaction import redact
from bridge.translation.json import JSON, encode
from bridge.translation.response.events import Event

LIMIT = 16_000
"""Characters that are kept of a prompt, and as many of an answer."""
_MEDIA = re.compile(r'"data":\s*"[A-Za-z0-9+/=_-]{200,}"')
LEFT_OUT = '"data":"[left out]"'


def is_chosen(percent: int) -> bool:
    """Whether this request is one of those that are kept."""
    return random.random() * 100 < percent


@dataclass(slots=True)
class BodySample:
    """One request that is kept: its body, and its answer as it goes."""

    request: bytes
    events: list[Event] = field(default_factory=list)

    def add(self, events: list[Event]) -> None:
        self.events += events

    def told(self) -> dict[str, JSON]:
        """For the record: `request`, `answer` (an event a line), and whether either is cut."""
        request = _fit(self.request.decode("utf-8", "replace"))
        answer = _fit(b"\n".join(map(encode, self.events)).decode())
        cut = max(len(request), len(answer)) > LIMIT
        return {"request": request[:LIMIT], "answer": answer[:LIMIT], "cut": cut}


def _fit(text: str) -> str:
    return redact(_MEDIA.sub(LEFT_OUT, text)[: LIMIT * 4])
