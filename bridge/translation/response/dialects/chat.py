"""Chat completions, plain and streamed -> deltas.

One reader for every backend, because the quirks are of the same few members: reasoning stands in
`reasoning_content` or `reasoning` or both or in `reasoning_details`; content is text or a list of
parts; a tool call's index may be missing, its arguments an object; anything may be null. Each is
read by type, never by name of the server, so an unknown bridge works too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import fault_status
from bridge.translation.json import JSON, decode, documents
from bridge.translation.response.deltas import (
    BackendFault,
    Delta,
    Done,
    Finish,
    Lost,
    Reasoning,
    Text,
    ToolCall,
    Unread,
)
from bridge.translation.response.dialects.chat_calls import read_calls
from bridge.translation.response.dialects.chat_content import read_content, reasoning_field
from bridge.translation.response.dialects.chat_usage import read_usage, usage_of
from bridge.translation.response.dialects.finish_reasons import read_reason
from bridge.translation.response.dialects.half_characters import ends_in_half, rejoined
from bridge.translation.response.dialects.usual_chunk import read_usual

MAX_BAD_PAYLOADS = 3
MAX_UNUSUAL = 16
"""Unusual chunks in a row behind which no usual one is expected any more."""
MAX_NODES = 200_000
"""Values in one event, or in a plain reply. An answer has a few dozen beside its text."""
DONE = b"[DONE]"
MAX_LAMENT = 1000
_LAMENT = re.compile(rb"\W{0,4}(error|fatal)\b", re.I)
"""How a text begins that a server sends for a chunk when it fails."""


class ChunkReader:
    """Payloads of a chat completion stream in, deltas out. `reasoning_field`: where it thinks."""

    def __init__(self) -> None:
        self._bad = self._unusual = 0
        self._had_delta = False
        self._held = b""
        self.skipped = 0
        self.reasoning_field = ""

    def feed(self, payload: bytes) -> list[Delta]:
        """Read one event's payload. Fails after three unreadable ones in a row."""
        if self._held:
            held, payload = rejoined(self._held, payload)
            self._held = b""
            return [*self._read(held), *self.feed(payload)]
        if (delta := self.usual(payload)) is not None:
            return [delta]
        self._unusual += self._had_delta
        if ends_in_half(payload):
            self._held = payload
            return []
        return self._read(payload)

    def usual(self, payload: bytes) -> Text | Reasoning | ToolCall | None:
        """The one delta of a usual chunk; None for any other, which `feed` reads."""
        if not self._had_delta or self._unusual >= MAX_UNUSUAL or self._held:
            return None
        delta = read_usual(payload)
        # Of the first reasoning `feed` notes in which field it stands.
        if delta is None or (type(delta) is Reasoning and not self.reasoning_field):
            return None
        self._bad = self._unusual = 0
        return delta

    def finish(self) -> list[Delta]:
        """The stream is over, and the other half of a character did not come."""
        held, self._held = self._held, b""
        return self._read(held) if held else []

    def _read(self, payload: bytes) -> list[Delta]:
        """Whatever a server may send."""
        if payload.strip() == DONE:
            return [Done()]
        try:
            chunks = documents(payload, max_nodes=MAX_NODES)
        except ValueError:
            return self._unreadable(payload)
        self._bad = 0
        return [delta for chunk in chunks for delta in self._read_document(chunk)]

    def _read_document(self, chunk: JSON) -> list[Delta]:
        if isinstance(chunk, list):
            return [_fault(chunk)] if any(map(_error_in, chunk)) else []
        return self.read_chunk(chunk) if isinstance(chunk, dict) else []

    def read_chunk(self, chunk: dict[str, JSON]) -> list[Delta]:
        """The deltas of one chunk, in the order in which a message shows them."""
        choices = _own_choices(chunk)
        deltas = _read_chunk(chunk, choices, whole=not self._had_delta)
        if choices and not (self._had_delta and self.reasoning_field):
            self._note(choices[0])
        return deltas

    def _note(self, choice: dict[str, JSON]) -> None:
        """Remember what later chunks, and later requests, depend on."""
        self._had_delta = self._had_delta or bool(choice.get("delta"))
        message = choice.get("delta") or choice.get("message")
        if isinstance(message, dict) and not self.reasoning_field:
            self.reasoning_field = reasoning_field(message)

    def _unreadable(self, payload: bytes) -> list[Delta]:
        if not payload.strip():
            return []
        if _LAMENT.match(payload[:MAX_LAMENT]):
            return [BackendFault(0, {"error": payload[:MAX_LAMENT].decode("utf-8", "replace")})]
        self._bad += 1
        self.skipped += 1
        if self._bad >= MAX_BAD_PAYLOADS:
            raise ApiError.bad_gateway("Backend sent an unreadable stream")
        return [Lost()]


def _read_chunk(
    chunk: dict[str, JSON], choices: list[dict[str, JSON]], *, whole: bool
) -> list[Delta]:
    """`whole`: a `message` counts. Behind deltas it only repeats what they brought."""
    if _error_in(chunk):
        return [_fault(chunk)]
    deltas = [d for choice in choices for d in _read_choice(choice, _delta_of(choice, whole))]
    if len(choices) > 1:
        deltas.sort(key=lambda delta: isinstance(delta, Finish))
    if usage := usage_of(chunk, choices[0] if choices else None):
        deltas += read_usage(usage, chunk.get("timings"), final=not chunk.get("choices"))
    return deltas


def _delta_of(choice: dict[str, JSON], whole: bool) -> JSON:
    return choice.get("delta") or (choice.get("message") if whole else None)


def read_reply(raw: bytes, reader: ChunkReader | None = None) -> Iterator[Delta]:
    """The deltas of a complete, plain reply. Raises ApiError when it is no such reply."""
    try:
        reply = decode(raw.strip(), max_nodes=MAX_NODES, not_numbers=True)
    except ValueError:
        raise ApiError.bad_gateway("Backend returned an unreadable reply") from None
    if isinstance(reply, list) and any(map(_error_in, reply)):
        reply = {"error": reply}
    if not isinstance(reply, dict):
        raise ApiError.bad_gateway("Backend returned an unreadable reply")
    choices = _own_choices(reply)
    if not _error_in(reply) and not choices:
        raise ApiError.bad_gateway("Backend returned no choices")
    if not any(isinstance(_delta_of(choice, whole=True), dict) for choice in choices):
        yield Unread()
    deltas = (reader or ChunkReader()).read_chunk(reply)
    yield from deltas
    if not any(isinstance(delta, (Finish, BackendFault)) for delta in deltas):
        # A document is never cut; one that names no reason is over all the same.
        yield Finish("stop")
    yield Done()


_GOOD_CODES = frozenset({"0", "200", "ok", "success", "none", ""})
_SENTENCES = ("message", "msg", "error_msg", "errorMsg", "errorMessage", "detail", "status_msg")
_ERRORS = ("errors", "Error", "fault", "exception")


def _error_in(chunk: JSON) -> bool:
    """Whether a chunk is, or holds, an error: by `error`, by its kind, or by a sentence with a code
    where choices should be."""
    if not isinstance(chunk, dict):
        return False
    if chunk.get("error") or chunk.get("object") == "error":
        return True
    if chunk.get("choices"):
        return False
    if chunk.get("type") == "error" or chunk.get("status") in ("error", "failed"):
        return True
    if any(chunk.get(name) for name in _ERRORS):
        return True
    status = chunk.get("base_resp")
    if isinstance(status, dict):
        return bool(status.get("status_code"))
    return _is_flat_error(chunk)


def _is_flat_error(chunk: dict[str, JSON]) -> bool:
    sentence = next((t for n in _SENTENCES if isinstance(t := chunk.get(n), (str, list)) and t), "")
    code = chunk.get("code", chunk.get("status_code", chunk.get("error_code", "unknown")))
    is_good = str(code).lower() in _GOOD_CODES and chunk.get("success") is not False
    return bool(sentence) and not is_good


def _fault(chunk: JSON) -> BackendFault:
    return BackendFault(fault_status(chunk), chunk)


def _own_choices(chunk: dict[str, JSON]) -> list[dict[str, JSON]]:
    """The choices that are the answer. One was asked for, so several without numbers are its parts,
    and so are calls in another one where the first promises calls and has none."""
    listed = chunk.get("choices")
    choices = [c for c in listed if isinstance(c, dict)] if isinstance(listed, list) else []
    own = [choice for choice in choices if not choice.get("index")]
    promised = bool(own) and own[0].get("finish_reason") == "tool_calls"
    if promised and len(choices) > len(own) and not any(map(_calls_in, own)):
        own += [choice for choice in choices if choice.get("index") and _calls_in(choice)]
    return own


def _calls_in(choice: dict[str, JSON]) -> bool:
    message = _delta_of(choice, whole=True)
    return isinstance(message, dict) and bool(message.get("tool_calls"))


def _read_choice(choice: dict[str, JSON], delta: JSON) -> list[Delta]:
    if error := choice.get("error"):
        return [BackendFault(fault_status(error), {"error": error})]
    deltas: list[Delta] = []
    if isinstance(delta, dict):
        deltas += read_content(delta)
        deltas += read_calls(delta)
    elif choice.get("text"):
        deltas.append(Unread())
    return deltas + read_reason(choice)
