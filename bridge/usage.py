"""One record for each request, whatever became of it.

Filled while the request runs, written once at its end: also for requests that failed, were refused
or were abandoned by the client (status 499).
"""

from __future__ import annotations

import logging
import time

import msgspec

from bridge.translation import events
from bridge.translation.jsontext import encode_text

logger = logging.getLogger(__name__)

ABANDONED = 499


class Record(msgspec.Struct, omit_defaults=True, dict=True):
    """What is remembered of one request. Times in seconds since its start; no text, no keys.

    route     how the target was found, and which ones were tried before it
    dropped   what the backend was not sent;  refused   optional fields that it does not take
    remedies  what was changed or waited for before a second try

    Written as one line of JSON, less the members that say nothing.
    """

    request_id: str
    path: str = ""
    key: str = ""
    client: str = ""
    session: str = ""
    asked_model: str = ""
    backend: str = ""
    model: str = ""
    streamed: bool = False
    status: int = 0
    error_type: str = ""
    attempts: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int | None = None
    estimated: bool = True
    stop_reason: str = ""
    route: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    refused: list[str] = msgspec.field(default_factory=list)
    remedies: list[str] = msgspec.field(default_factory=list)
    started_at: float = msgspec.field(default_factory=time.time)
    headers_after: float | None = None
    first_token_after: float | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.clock = time.monotonic()

    def elapsed(self) -> float:
        return round(time.monotonic() - self.clock, 4)

    def count(self, usage: events.Usage, estimated: bool) -> None:
        """Take over the token counts of the answer."""
        self.input_tokens = usage.input_tokens
        self.output_tokens = usage.output_tokens
        self.cache_read_tokens = usage.cache_read_input_tokens
        self.cache_write_tokens = usage.cache_creation_input_tokens
        details = usage.output_tokens_details
        if isinstance(details, events.OutputDetails):
            self.thinking_tokens = details.thinking_tokens
        self.estimated = estimated

    def write(self) -> None:
        """The request is over."""
        self.seconds = self.elapsed()
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", encode_text(self))
