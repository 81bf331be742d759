"""Chat completions, plain and streamed -> deltas.

One reader for every backend, because the quirks are of the same few members: reasoning stands in
`reasoning_content` or `reasoning` or both or in `reasoning_details`; content is text or a list of
parts; a tool call's index may be missing, its arguments an object; anything may be null. Each is
read by type, never by name of the server, so an unknown bridge works too.
"""

from __future__ import annotations

from collections.abc import Iterator

from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.from_backend import fault_status
from bridge.translation.json import JSON, decode, encode_text
from bridge.translation.response.deltas import (
    BackendFault,
    Delta,
    Done,
    Finish,
    Reasoning,
    Refusal,
    ReportedUsage,
    Text,
    ToolCall,
)

MAX_BAD_PAYLOADS = 3
MOST_DOLLARS = 1e6
"""More than this is no cost of one request."""
DONE = b"[DONE]"
_NO_REASON = frozenset({"", "null", "None"})
_ABORTED = {"abort": 529, "insufficient_system_resource": 529, "error": 0}
"""Finish reasons that are none, with the status that each amounts to (0: not told)."""


class ChunkReader:
    """Payloads of a chat completion stream in, deltas out."""

    def __init__(self) -> None:
        self._bad = 0
        self.skipped = 0

    def feed(self, payload: bytes) -> list[Delta]:
        """Read one event's payload. Fails after three unreadable ones in a row."""
        if payload.strip() == DONE:
            return [Done()]
        try:
            chunk = decode(payload)
        except ValueError:
            return self._unreadable(payload)
        self._bad = 0
        return list(read_chunk(chunk)) if isinstance(chunk, dict) else []

    def _unreadable(self, payload: bytes) -> list[Delta]:
        if not payload.strip():
            return []
        self._bad += 1
        self.skipped += 1
        if self._bad >= MAX_BAD_PAYLOADS:
            raise ApiError.bad_gateway("Backend sent an unreadable stream")
        return []


def read_chunk(chunk: dict[str, JSON]) -> Iterator[Delta]:
    """The deltas of one chunk, in the order in which a message shows them."""
    if error := _error_of(chunk):
        yield BackendFault(fault_status(error), chunk)
        return
    if choice := _first_choice(chunk):
        yield from _read_choice(choice, choice.get("delta") or choice.get("message"))
    if usage := chunk.get("usage"):
        yield from read_usage(usage, chunk.get("timings"), final=not chunk.get("choices"))


def read_reply(raw: bytes) -> Iterator[Delta]:
    """The deltas of a complete, plain reply. Raises ApiError when it is no such reply."""
    try:
        reply = decode(raw.strip())
    except ValueError:
        raise ApiError.bad_gateway("Backend returned an unreadable reply") from None
    if not isinstance(reply, dict):
        raise ApiError.bad_gateway("Backend returned an unreadable reply")
    if not _error_of(reply):
        choice = _first_choice(reply)
        if choice is None:
            raise ApiError.bad_gateway("Backend returned no choices")
    deltas = list(read_chunk(reply))
    yield from deltas
    if not any(isinstance(delta, (Finish, BackendFault)) for delta in deltas):
        # A document is never cut; one that names no reason is over all the same.
        yield Finish("stop")
    yield Done()


def _error_of(chunk: dict[str, JSON]) -> JSON:
    """The error object of a chunk, or the chunk that is one itself; None for a good chunk."""
    if error := chunk.get("error"):
        return error
    flat = chunk.get("object") == "error" or ("detail" in chunk and "choices" not in chunk)
    return chunk if flat else None


def _first_choice(chunk: dict[str, JSON]) -> dict[str, JSON] | None:
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return None
    return next((c for c in choices if isinstance(c, dict) and not c.get("index")), None)


def _read_choice(choice: dict[str, JSON], delta: JSON) -> Iterator[Delta]:
    if error := choice.get("error"):
        yield BackendFault(fault_status(error), {"error": error})
        return
    if isinstance(delta, dict):
        yield from _read_content(delta)
        yield from _read_calls(delta)
    reason = choice.get("finish_reason")
    if not isinstance(reason, str) or reason in _NO_REASON:
        return
    if reason in _ABORTED:
        yield BackendFault(
            _ABORTED[reason], {"error": {"message": f"generation ended with {reason!r}"}}
        )
        return
    matched = choice.get("stop_reason") or choice.get("matched_stop")
    yield Finish(reason, matched if isinstance(matched, str) else None)


def _read_content(delta: dict[str, JSON]) -> Iterator[Delta]:
    content = delta.get("content")
    parts = content if isinstance(content, list) else []
    if reasoning := _reasoning(delta, parts):
        yield Reasoning(reasoning)
    if isinstance(content, str):
        if content:
            yield Text(content)
    elif text := "".join(_part_texts(parts, "text")):
        yield Text(text)
    refusal = delta.get("refusal")
    if refusal and isinstance(refusal, str):
        yield Refusal(refusal)


def _reasoning(delta: dict[str, JSON], parts: list[JSON]) -> str:
    """The first place that holds reasoning. Two fields with the same text count once."""
    for name in ("reasoning_content", "reasoning"):
        value = delta.get(name)
        if value and isinstance(value, str):
            return value
    details = delta.get("reasoning_details")
    if isinstance(details, list) and (text := "".join(_detail_texts(details))):
        return text
    return "".join(_part_texts(parts, "thinking"))


def _detail_texts(details: list[JSON]) -> Iterator[str]:
    for detail in details:
        if isinstance(detail, dict):
            text = detail.get("text") or detail.get("summary")
            if isinstance(text, str):
                yield text


def _part_texts(parts: list[JSON], kind: str) -> Iterator[str]:
    """Texts of the parts of one type; a thinking part may hold text parts of its own."""
    for part in parts:
        if not isinstance(part, dict) or part.get("type") != kind:
            continue
        value = part.get(kind)
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _part_texts(value, "text")


def _read_calls(delta: dict[str, JSON]) -> Iterator[Delta]:
    calls = delta.get("tool_calls")
    if isinstance(calls, list) and calls:
        for call in calls:
            if isinstance(call, dict):
                yield _tool_call(call, call.get("function"))
    elif isinstance(legacy := delta.get("function_call"), dict):
        yield _tool_call({"index": 0}, legacy)


def _tool_call(call: dict[str, JSON], function: JSON) -> ToolCall:
    function = function if isinstance(function, dict) else {}
    index, arguments = call.get("index"), function.get("arguments")
    if isinstance(arguments, (dict, list)):
        arguments = encode_text(arguments)
    return ToolCall(
        index=index if isinstance(index, int) and not isinstance(index, bool) else None,
        id=_text(call.get("id")),
        name=_text(function.get("name")),
        arguments=_text(arguments),
    )


def _text(value: JSON) -> str:
    return value if isinstance(value, str) else ""


def read_usage(
    usage: JSON, timings: JSON = None, *, final: bool = False
) -> Iterator[ReportedUsage]:
    """Token counts from wherever the known servers put them; junk is not a count."""
    if not isinstance(usage, dict):
        return
    prompt = _object(usage.get("prompt_tokens_details"))
    completion = _object(usage.get("completion_tokens_details"))
    cached = (
        prompt.get("cached_tokens"),
        usage.get("prompt_cache_hit_tokens"),
        usage.get("cached_tokens"),
        _object(timings).get("cache_n"),
    )
    written = (prompt.get("cache_write_tokens"), prompt.get("created_cache_tokens"))
    reasoning = _first_count(completion.get("reasoning_tokens"), usage.get("reasoning_tokens"))
    yield ReportedUsage(
        prompt=_first_count(usage.get("prompt_tokens")),
        completion=_completion(usage, reasoning),
        cached=_first_count(*cached) or 0,
        written=_first_count(*written) or 0,
        reasoning=reasoning,
        final=final,
        cost_nano=_billionths(usage.get("cost")),
    )


def _completion(usage: dict[str, JSON], reasoning: int | None) -> int | None:
    """All tokens of the answer. Some fronts count reasoning beside it, as the total shows."""
    prompt = _first_count(usage.get("prompt_tokens"))
    completion = _first_count(usage.get("completion_tokens"))
    if prompt is None or completion is None or not reasoning:
        return completion
    beside = _first_count(usage.get("total_tokens")) == prompt + completion + reasoning
    return completion + reasoning if beside else completion


def _billionths(dollars: JSON) -> int | None:
    """An amount of money; junk is none."""
    try:
        amount = float(dollars) if isinstance(dollars, (int, float, str)) else -1.0
    except (ValueError, OverflowError):
        return None
    known = not isinstance(dollars, bool) and 0 <= amount < MOST_DOLLARS
    return round(amount * 1e9) if known else None


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _first_count(*values: JSON) -> int | None:
    for value in values:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e15:
            return int(value)
    return None
