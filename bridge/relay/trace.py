"""What happens to one request on its way to an answer: noted as it goes, put on record at its end.

The attempts and the change from one target to the next write here and nowhere else, so that the
record of a request is filled in one place.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from bridge.backends.prefix_cache import SAME, ToolChanges
from bridge.clocks import Clock
from bridge.ledger.record import Record
from bridge.routing.types import Target
from bridge.translation.request.translate import ChatRequest

LONGEST_STEP = 200
"""Characters of one step of the route."""


@dataclass(slots=True)
class Trace:
    """One request's way. Moments are those of `clock`, the steady one.

    accepted   done once a backend's headers say that an answer will come
    steps      how the target was found, and which ones were tried before it
    target     the one that was tried last
    chat       what was sent last, or is to be sent
    is_unanswered   whether a backend has the request and has not answered it yet
    remedies   what was changed or waited for before a second try
    refused    optional fields that the backend does not take
    clamped    limits that were lowered
    tool_changes   how the list of tools differs from that of the turn before
    """

    clock: Clock
    steps: tuple[str, ...] = ()
    accepted: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    target: Target | None = None
    chat: ChatRequest | None = None
    is_unanswered: bool = False
    attempts: int = 0
    remedies: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    clamped: list[str] = field(default_factory=list)
    prompt_bytes: int = 0
    repeated_bytes: int = 0
    tool_changes: ToolChanges = SAME
    translated_at: float | None = None
    connected_at: float | None = None
    headers_at: float | None = None

    def step(self, target: Target, text: str) -> None:
        """Why this target is not the one that answers."""
        line = f"{target.backend.name}: {text}"
        shown = line if len(line) < LONGEST_STEP else f"{line[:LONGEST_STEP]}…"
        self.steps = (*self.steps, shown)

    def take(self, target: Target) -> None:
        """This target is called next."""
        self.target = target
        self.translated_at = self.clock()

    def place(self, chat: ChatRequest, clamped: list[str]) -> None:
        """This is what is sent, with the limits that were lowered for it."""
        self.chat, self.clamped = chat, clamped

    def begin_attempt(self) -> None:
        """The request is sent, for the first time or once more."""
        self.attempts += 1
        self.connected_at = self.headers_at = None
        self.is_unanswered = False

    def answer_headers(self, connected_at: float | None) -> None:
        """The backend's reply has begun, on a connection that was there at that moment."""
        self.is_unanswered = True
        self.headers_at, self.connected_at = self.clock(), connected_at

    def accept(self) -> None:
        """An answer will come. Only the first one counts."""
        if not self.accepted.done():
            self.accepted.set_result(None)

    def put_on(self, record: Record) -> None:
        """Fill the record. Later calls bring it up to date."""
        record.route = self.steps
        if self.target is not None:
            record.backend, record.model = self.target.backend.name, self.target.model
        if self.chat is not None:
            record.dropped = self.chat.dropped
            record.learnt = [str(fact) for fact in self.chat.learnt]
        record.attempts = self.attempts
        record.remedies, record.refused = self.remedies, self.refused
        record.clamped = self.clamped
        record.prompt_bytes, record.repeated_bytes = self.prompt_bytes, self.repeated_bytes
        record.tools_added = self.tool_changes.added
        record.tool_changes = list(self.tool_changes.labels())
        record.translated_after = record.at(self.translated_at)
        record.connected_after = record.at(self.connected_at)
        record.headers_after = record.at(self.headers_at)
