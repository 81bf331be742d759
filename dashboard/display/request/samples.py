"""The bodies of a sampled request, as a reader wants them. Pure.

The ledger has the request as it came and the answer as its events, one a line, both cut to a size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

KINDS = ("credential", "path", "image", "file")
"""What is taken out of samples, in the order in which it is told."""
_PIECES = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
}
"""Type of a delta -> its member with the next piece."""


@dataclass(frozen=True, slots=True)
class Block:
    """One content block of an answer: `kind` is text, thinking, or the tool that is called."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ShownSample:
    """`request`, `answer` as they were kept;  `blocks`: what the answer says;  `taken`: what was
    taken out, counted."""

    request: str
    answer: str
    blocks: tuple[Block, ...]
    is_cut: bool
    taken: str = ""


def sample(document: Any) -> ShownSample | None:
    """Of `detail["sample"]`; None where nothing was kept."""
    if not isinstance(document, dict):
        return None
    request, answer = (str(document.get(name) or "") for name in ("request", "answer"))
    return ShownSample(
        _indented(request),
        answer,
        tuple(_blocks(answer)),
        bool(document.get("cut")),
        _taken(document.get("taken")),
    )


def _taken(counts: Any) -> str:
    """Like "2 credentials, 1 image"; "" where nothing was, or nobody counted."""
    if not isinstance(counts, dict):
        return ""
    found = ((name, counts.get(name)) for name in KINDS)
    return ", ".join(
        f"{count:,} {name}{'' if count == 1 else 's'}"
        for name, count in found
        if isinstance(count, int) and count > 0
    )


def _indented(text: str) -> str:
    """JSON with a line for each member; anything else, as a body that was cut, as it is."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text


def _blocks(answer: str) -> Iterator[Block]:
    kind, pieces = "", list[str]()
    for event in _events(answer):
        if event.get("type") == "content_block_start":
            kind, pieces = _kind(event.get("content_block") or {}), []
        elif event.get("type") == "content_block_delta":
            pieces.append(_piece(event.get("delta") or {}))
        elif event.get("type") == "content_block_stop":
            yield Block(kind, "".join(pieces))
            kind = ""
    if kind:
        yield Block(kind, "".join(pieces))


def _events(answer: str) -> Iterator[dict[str, Any]]:
    for line in answer.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, dict):
            yield event


def _kind(block: dict[str, Any]) -> str:
    return str(block.get("name") or block.get("type") or "")


def _piece(delta: dict[str, Any]) -> str:
    return str(delta.get(_PIECES.get(str(delta.get("type")), ""), ""))
