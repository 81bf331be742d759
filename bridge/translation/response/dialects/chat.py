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
from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.deltas import (
    BackendFault,
    Delta,
    Done,
    Finish,
    Lost,
    Reasoning,
    ToolCall,
)
from bridge.translation.response.dialects.chat_content import read_content, reasoning_field
from bridge.translation.response.dialects.chat_usage import read_usage, usage_of
from bridge.translation.response.dialects.usual_chunk import read_usual

MAX_BAD_PAYLOADS = 3
MAX_UNUSUAL = 16
"""Unusual chunks in a row behind which no usual one is expected any more."""
MAX_NODES = 200_000
"""Values in one event, or in a plain reply. An answer has a few dozen beside its text."""
DONE = b"[DONE]"
_KEPT = ("extra_content", "thought_signature", "provider_specific_fields")
"""Members of a call that vendors sign it with, and want back."""
_NOT_LETTERS = re.compile("[^a-z]")
_NO_REASON = frozenset({"", "null", "None"})
_ABORTED: dict[str, int] = {
    **dict.fromkeys(("abort", "aborted", "insufficientsystemresource", "overloaded"), 529),
    **dict.fromkeys(("cancelled", "canceled", "networkerror", "timeout"), 503),
    **dict.fromkeys(("error", "failed", "internalerror", "servererror", "unknownerror"), 0),
    **dict.fromkeys(("malformedfunctioncall", "unexpectedtoolcall"), 0),
}
"""Finish reasons that are none, with the status that each amounts to (0: unknown)."""

_REASONS: dict[str, str] = {
    **dict.fromkeys(("length", "maxtokens", "modellength", "maxoutputtokens"), "length"),
    **dict.fromkeys(("maxlength", "tokenlimit", "maxcompletiontokens", "incomplete"), "length"),
    **dict.fromkeys(
        ("modelcontextwindowexceeded", "contextlengthexceeded", "contextwindowexceeded"),
        "context_window",
    ),
    **dict.fromkeys(("contentfilter", "safety", "sensitive", "recitation"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibitedcontent", "spii", "imagesafety"), "content_filter"),
    **dict.fromkeys(("refusal", "contentfiltered", "language", "guardrail"), "content_filter"),
    **dict.fromkeys(("toolcalls", "toolcall", "tooluse"), "tool_calls"),
    "functioncall": "function_call",
    **dict.fromkeys(("stop", "eos", "eostoken", "endturn", "stopsequence", "completed"), "stop"),
}
"""Finish reasons of all dialects -> those of chat completions, by their letters alone."""


class ChunkReader:
    """Payloads of a chat completion stream in, deltas out. `reasoning_field`: where it thinks."""

    def __init__(self) -> None:
        self._bad = self._unusual = 0
        self._had_delta = False
        self.skipped = 0
        self.reasoning_field = ""

    def feed(self, payload: bytes) -> list[Delta]:
        """Read one event's payload. Fails after three unreadable ones in a row."""
        if self._had_delta and self._unusual < MAX_UNUSUAL:
            delta = read_usual(payload)
            # Of the first reasoning it is noted below in which field it stands.
            if delta is not None and (self.reasoning_field or type(delta) is not Reasoning):
                self._bad = self._unusual = 0
                return [delta]
            self._unusual += 1
        return self._read(payload)

    def _read(self, payload: bytes) -> list[Delta]:
        """Whatever a server may send."""
        if payload.strip() == DONE:
            return [Done()]
        try:
            chunk = decode(payload, max_nodes=MAX_NODES)
        except ValueError:
            return self._unreadable(payload)
        self._bad = 0
        if isinstance(chunk, list):
            return [_fault(chunk)] if any(map(_error_in, chunk)) else []
        if not isinstance(chunk, dict):
            return []
        return self.read_chunk(chunk)

    def read_chunk(self, chunk: dict[str, JSON]) -> list[Delta]:
        """The deltas of one chunk, in the order in which a message shows them."""
        choice = _first_choice(chunk)
        deltas = _read_chunk(chunk, choice, whole=not self._had_delta)
        if choice is not None and not (self._had_delta and self.reasoning_field):
            self._note(choice)
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
        self._bad += 1
        self.skipped += 1
        if self._bad >= MAX_BAD_PAYLOADS:
            raise ApiError.bad_gateway("Backend sent an unreadable stream")
        return [Lost()]


def _read_chunk(
    chunk: dict[str, JSON], choice: dict[str, JSON] | None, *, whole: bool
) -> list[Delta]:
    """`whole`: a `message` counts. Behind deltas it only repeats what they brought."""
    if _error_in(chunk):
        return [_fault(chunk)]
    deltas = [] if choice is None else _read_choice(choice, _delta_of(choice, whole))
    if usage := usage_of(chunk, choice):
        deltas += read_usage(usage, chunk.get("timings"), final=not chunk.get("choices"))
    return deltas


def _delta_of(choice: dict[str, JSON], whole: bool) -> JSON:
    return choice.get("delta") or (choice.get("message") if whole else None)


def read_reply(raw: bytes, reader: ChunkReader | None = None) -> Iterator[Delta]:
    """The deltas of a complete, plain reply. Raises ApiError when it is no such reply."""
    try:
        reply = decode(raw.strip(), max_nodes=MAX_NODES)
    except ValueError:
        raise ApiError.bad_gateway("Backend returned an unreadable reply") from None
    if isinstance(reply, list) and any(map(_error_in, reply)):
        reply = {"error": reply}
    if not isinstance(reply, dict):
        raise ApiError.bad_gateway("Backend returned an unreadable reply")
    if not _error_in(reply) and _first_choice(reply) is None:
        raise ApiError.bad_gateway("Backend returned no choices")
    deltas = (reader or ChunkReader()).read_chunk(reply)
    yield from deltas
    if not any(isinstance(delta, (Finish, BackendFault)) for delta in deltas):
        # A document is never cut; one that names no reason is over all the same.
        yield Finish("stop")
    yield Done()


_GOOD_CODES = frozenset({"0", "200", "ok", "success", "none", ""})
_SENTENCES = ("message", "msg", "error_msg", "errorMsg", "errorMessage", "detail", "status_msg")


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


def _first_choice(chunk: dict[str, JSON]) -> dict[str, JSON] | None:
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return None
    for choice in choices:
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return None


def _read_choice(choice: dict[str, JSON], delta: JSON) -> list[Delta]:
    if error := choice.get("error"):
        return [BackendFault(fault_status(error), {"error": error})]
    deltas: list[Delta] = []
    if isinstance(delta, dict):
        deltas += read_content(delta)
        deltas += _read_calls(delta)
    reason = choice.get("finish_reason")
    if isinstance(reason, str) and reason not in _NO_REASON:
        deltas.append(_read_reason(choice, reason))
    return deltas


def _read_reason(choice: dict[str, JSON], reason: str) -> Delta:
    letters = _NOT_LETTERS.sub("", reason[:60].lower())
    if letters in _ABORTED:
        message = f"generation ended with {reason[:60]!r}"
        return BackendFault(_ABORTED[letters], {"error": {"message": message}})
    matched = choice.get("stop_reason") or choice.get("matched_stop")
    return Finish(_REASONS.get(letters, reason), matched if isinstance(matched, str) else None)


def _read_calls(delta: dict[str, JSON]) -> list[Delta]:
    calls = delta.get("tool_calls")
    if isinstance(calls, list) and calls:
        return [_tool_call(c, c.get("function")) for c in calls if isinstance(c, dict)]
    legacy = delta.get("function_call")
    return [_tool_call({"index": 0}, legacy)] if isinstance(legacy, dict) else []


def _tool_call(call: dict[str, JSON], function: JSON) -> ToolCall:
    function = function if isinstance(function, dict) else {}
    index, arguments = call.get("index"), function.get("arguments")
    if isinstance(arguments, (dict, list)):
        arguments = encode_text(arguments)
    return ToolCall(
        index=_index(index),
        id=_id(call.get("id")),
        name=_text(function.get("name")),
        arguments=_text(arguments),
        extra={name: call[name] for name in _KEPT if call.get(name)} or None,
    )


def _index(value: JSON) -> int | None:
    """A call's number; some bridges write it as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < 10:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _id(value: JSON) -> str:
    """A call's id; some bridges number their calls."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text(value)


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""
