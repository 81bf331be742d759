"""Bodies of single requests, for keys whose operator asked for them.

Off unless a key says otherwise. What is kept is cut to a size, images and files are left out, and
credentials and paths are taken out of the text.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from bridge.keys.authentication import IssuedKey
from bridge.translation.errors.redaction_of_json import redact_json
from bridge.translation.json import JSON, encode_text
from bridge.translation.response.events import (
    ContentBlockDelta,
    Event,
    InputJsonDelta,
    SignatureDelta,
    TextDelta,
    ThinkingDelta,
)

LIMIT = 16_000
"""Characters that are kept of a prompt, and as many of an answer."""
_TEXTS: dict[type, str] = {
    TextDelta: "text",
    ThinkingDelta: "thinking",
    SignatureDelta: "signature",
    InputJsonDelta: "partial_json",
}
"""A kind of delta -> its member with the next part of the block."""


def is_chosen(issued: IssuedKey, now: float) -> bool:
    """Whether this request of the key is one of those that are kept. `now`: seconds since 1970."""
    percent, until = issued.sample_percent, issued.sample_until
    if not percent or (until is not None and now >= until):
        return False
    return random.random() * 100 < percent  # noqa: S311 - a share of requests, no secret


@dataclass(slots=True)
class BodySample:
    """One request that is kept: its body, and its answer as it goes."""

    request: bytes
    events: list[Event] = field(default_factory=list)

    def add(self, events: list[Event]) -> None:
        self.events += events

    def document(self) -> dict[str, JSON]:
        """For the record: `request`, `answer` (an event a line), whether either is cut, and
        `taken`, how much of which kind was taken out."""
        taken = Counter[str]()
        request = redact_json(self.request.decode("utf-8", "replace"), LIMIT, taken)
        answer = redact_json("\n".join(_lines(self.events)), LIMIT, taken)
        cut = max(len(request), len(answer)) > LIMIT
        found = {kind: count for kind, count in taken.items() if count}
        return {"request": request[:LIMIT], "answer": answer[:LIMIT], "cut": cut, "taken": found}


def _lines(events: Iterable[Event]) -> Iterator[str]:
    """As many events as can be kept, each as JSON."""
    size = 0
    for event in joined(events):
        line = encode_text(event)
        yield line
        size += len(line)
        if size > 2 * LIMIT:
            return


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The events, with deltas of one block that follow each other as one.

    A credential that the model repeats arrives in several of them, and is none in any.
    """
    open_delta: ContentBlockDelta | None = None
    texts: list[str] = []
    for event in events:
        if open_delta is not None and _continues(open_delta, event):
            texts.append(_text(event))
            continue
        if open_delta is not None:
            yield _with_text(open_delta, texts)
            open_delta = None
        if isinstance(event, ContentBlockDelta):
            open_delta, texts = event, [_text(event)]
        else:
            yield event
    if open_delta is not None:
        yield _with_text(open_delta, texts)


def _continues(before: ContentBlockDelta, event: Event) -> bool:
    if not isinstance(event, ContentBlockDelta) or event.index != before.index:
        return False
    return type(event.delta) is type(before.delta)


def _text(event: Event) -> str:
    assert isinstance(event, ContentBlockDelta)
    text: str = getattr(event.delta, _TEXTS[type(event.delta)])
    return text


def _with_text(event: ContentBlockDelta, texts: list[str]) -> ContentBlockDelta:
    member = _TEXTS[type(event.delta)]
    delta = msgspec.structs.replace(event.delta, **{member: "".join(texts)})
    return ContentBlockDelta(event.index, delta)
