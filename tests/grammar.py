"""The grammar of a message stream. Every stream that any test sees goes through this one checker.

    stream  = message_start, { ping | block }, message_delta, { ping }, message_stop
            | message_start, { any prefix of the above }, error
    block   = content_block_start(n), { ping | delta of the block's kind }, content_block_stop(n)

Blocks are numbered 0, 1, 2 ... and never overlap. A thinking block closes with exactly one
signature, which is not empty. The arguments of a tool call are one JSON object, unless the answer
was cut by max_tokens.

`parse_sse` checks the framing and decodes; `check_stream` checks the order and folds. Both pure.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tests.shapes import (
    GrammarError,
    Json,
    check_block_start,
    check_error,
    check_start,
    check_stop,
    check_usage,
    fail,
    require,
    settle_inputs,
)

FRAME = re.compile(r"event: (?P<name>[a-z_]+)\ndata: (?P<data>[^\n]+)")
# kind of delta -> kind of block, member that carries the piece
DELTAS = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "signature_delta": ("thinking", "signature"),
    "input_json_delta": ("tool_use", "partial_json"),
}


class Event(NamedTuple):
    """One event: the name of its `event:` line and its decoded `data:` line."""

    name: str
    data: Json


def parse_sse(body: bytes) -> list[Event]:
    """The events of a complete body, or of one that is complete up to here."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise GrammarError(f"not UTF-8: {error}") from error
    require("\r" not in text, "a carriage return in the framing")
    require(not text.startswith("\ufeff"), "a byte order mark")
    require(text.endswith("\n\n") or not text, "no blank line after the last event")
    return [_parse_frame(frame) for frame in text.split("\n\n")[:-1]]


def _parse_frame(frame: str) -> Event:
    match = FRAME.fullmatch(frame)
    if match is None:
        fail(f"not one event line and one data line: {frame!r}")
    try:
        data = json.loads(match["data"], parse_constant=lambda word: fail(f"{word} in JSON"))
    except ValueError as error:
        raise GrammarError(f"data is not JSON: {match['data']!r}") from error
    require(isinstance(data, dict), f"data is not an object: {data!r}")
    require(data.get("type") == match["name"], f"event {match['name']} carries {data.get('type')}")
    require(not _has_lone_surrogate(data), f"a lone surrogate: {frame!r}")
    return Event(match["name"], data)


def _has_lone_surrogate(data: Json) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in json.dumps(data, ensure_ascii=False))


def check_stream(events: bytes | Iterable[Event | tuple[str, Json] | Json]) -> Json:
    """The message that the stream amounts to; for a stream that failed, the payload of its error.

    The arguments of a call that was cut by max_tokens stay a string, as nobody can parse them.
    """
    checker = _Checker()
    for event in parse_sse(events) if isinstance(events, bytes) else events:
        checker.feed(event if isinstance(event, Mapping) else event[1])
    return checker.finish()


class _Checker:
    """Where the stream stands: before its start, in it, after message_delta, or over."""

    def __init__(self) -> None:
        self._message: Json | None = None
        self._open: Json | None = None
        self._stopped = False
        self._result: Json | None = None

    def feed(self, event: Mapping[str, Any]) -> None:
        kind = event.get("type")
        require(self._result is None, f"{kind} after the end of the stream")
        if kind == "message_start":
            require(self._message is None, "a second message_start")
            self._message = check_start(event)
            return
        require(self._message is not None, f"{kind} before message_start")
        match kind:
            case "ping":
                require(dict(event) == {"type": "ping"}, f"ping carries {event}")
            case "content_block_start":
                self._start_block(event)
            case "content_block_delta":
                self._extend_block(event)
            case "content_block_stop":
                self._stop_block(event)
            case "message_delta":
                self._conclude(event)
            case "message_stop":
                require(self._stopped, "message_stop without message_delta")
                self._result = self._message
            case "error":
                self._result = check_error(event)
            case _:
                fail(f"unknown event {kind}")

    def finish(self) -> Json:
        if self._result is None:
            fail("the stream ends without message_stop or error")
        return self._result

    @property
    def _content(self) -> list[Json]:
        assert self._message is not None
        content: list[Json] = self._message["content"]
        return content

    def _start_block(self, event: Mapping[str, Any]) -> None:
        require(not self._stopped, "a block starts after message_delta")
        require(self._open is None, f"block {event.get('index')} starts inside another block")
        index = event.get("index")
        require(index == len(self._content), f"block {index} instead of {len(self._content)}")
        self._open = check_block_start(event.get("content_block"), self._content)
        self._content.append(self._open)

    def _extend_block(self, event: Mapping[str, Any]) -> None:
        block = self._current(event)
        delta = event["delta"]
        require(delta.get("type") in DELTAS, f"unknown delta {delta}")
        kind, member = DELTAS[delta["type"]]
        require(block["type"] == kind, f"{delta['type']} in a {block['type']} block")
        require(isinstance(delta.get(member), str), f"no {member} in {delta}")
        require(not block.get("signature"), f"{delta['type']} after the signature")
        require(member != "signature" or delta[member], "an empty signature")
        own = "input" if member == "partial_json" else member
        block[own] = (block[own] or "") + delta[member]

    def _stop_block(self, event: Mapping[str, Any]) -> None:
        block = self._current(event)
        require(block["type"] != "thinking" or block["signature"], "thinking without a signature")
        self._open = None

    def _current(self, event: Mapping[str, Any]) -> Json:
        index = event.get("index")
        if self._open is None or index != len(self._content) - 1:
            fail(f"{event.get('type')} for block {index}, which is not open")
        return self._open

    def _conclude(self, event: Mapping[str, Any]) -> None:
        assert self._message is not None
        require(not self._stopped, "a second message_delta")
        require(self._open is None, "message_delta inside a block")
        self._stopped = True
        usage = check_usage(event.get("usage"))
        self._message |= check_stop(event.get("delta"), self._content)
        self._message["usage"] = self._message["usage"] | usage
        settle_inputs(self._content, self._message["stop_reason"])
