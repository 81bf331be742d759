"""The line of a request: what it was, where it went, who paid, and how it ended."""

from __future__ import annotations

from typing import Protocol

from bridge.outcomes import ABANDONED, outcome

LONGEST_WORD = 120
"""Characters of a name that are shown; an error may have three times as many."""
NANO = 1_000_000_000


class RequestFacts(Protocol):
    """What is shown of a request; the members are those of `bridge.ledger.record.Record`."""

    request_id: str
    trace_id: str
    path: str
    key: str
    team: str
    asked_model: str
    backend: str
    model: str
    status: int
    attempts: int
    error_type: str
    error: str
    cause: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    estimated: bool
    cost_nano_usd: int | None
    first_token_after: float | None
    seconds: float

    def without_text(self) -> bytes:
        """All of it as one JSON object, without the words of the conversation."""
        ...


class RequestEntry:
    """The message of a log record. It becomes text only where a line is written."""

    __slots__ = ("_document", "facts")

    def __init__(self, facts: RequestFacts, document: bytes | None = None) -> None:
        """`document`: the JSON of the facts, where it has been made already."""
        self.facts, self._document = facts, document

    def __str__(self) -> str:
        return readable(self.facts)

    @property
    def outcome(self) -> str:
        return outcome(self.facts.status)

    def document(self) -> bytes:
        """The request as one JSON object."""
        return self._document or self.facts.without_text()


def readable(facts: RequestFacts) -> str:
    """The request in one line for people; its parts stand two spaces apart."""
    parts = [f"{facts.status} {_way(facts)}"]
    if facts.key:
        team = f" of {word(facts.team)}" if facts.team else ""
        parts.append(f"key {word(facts.key)}{team}")
    if facts.backend:
        parts += [_tokens(facts), _cost(facts.cost_nano_usd)]
    parts.append(_times(facts))
    if facts.attempts > 1:
        parts.append(f"{facts.attempts} tries")
    parts += _end(facts)
    parts.append(facts.request_id)
    if facts.trace_id:
        parts.append(f"trace {facts.trace_id}")
    return "  ".join(parts)


def _way(facts: RequestFacts) -> str:
    asked = word(facts.asked_model or facts.path)
    return f"{asked} -> {word(facts.backend)}/{word(facts.model)}" if facts.backend else asked


def _tokens(facts: RequestFacts) -> str:
    cached = facts.cache_read_tokens
    prompt = facts.input_tokens + cached + facts.cache_write_tokens
    of_these = f" ({cached} cached)" if cached else ""
    about = "~" if facts.estimated else ""
    return f"{about}{prompt} in{of_these}, {about}{facts.output_tokens} out"


def _cost(nano: int | None) -> str:
    return "no price" if nano is None else f"{nano / NANO:.6f} USD"


def _times(facts: RequestFacts) -> str:
    first = facts.first_token_after
    return f"{facts.seconds:.2f} s" + ("" if first is None else f" (first {first:.2f} s)")


def _end(facts: RequestFacts) -> list[str]:
    """How it ended: the error with what operators know of it, or the reason to stop."""
    if facts.error_type:
        cause = f" ({quoted(facts.cause)})" if facts.cause else ""
        return [f"{facts.error_type}: {quoted(facts.error)}{cause}"]
    if facts.status == ABANDONED:
        return ["the client left"]
    return [facts.stop_reason] if facts.stop_reason else []


def word(text: str) -> str:
    """A name of somebody else's choice, in quotes where it could be taken for something more."""
    short = text[:LONGEST_WORD]
    is_plain = short.isprintable() and " " not in short and '"' not in short
    return short if is_plain and short else quoted(short)


def quoted(text: str) -> str:
    """A sentence of somebody else's, in quotes."""
    inner = text[: 3 * LONGEST_WORD].replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped(inner)}"'


def escaped(text: str) -> str:
    """The text in one line: what is no printable character is shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
