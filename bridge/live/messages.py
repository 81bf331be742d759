"""Messages and channel names of the live view. Pure.

An open page announces itself to the group GATEWAYS every ANNOUNCE_SECONDS. Each process that got an
announcement within PATIENCE seconds sends an `ActivitySnapshot` to the group WATCHERS every second:

    {"type": "beat", "beat": {"process": "1f3a9c02", "at": 1767225600.0, "running": [...], ...}}
"""

from __future__ import annotations

import msgspec

GATEWAYS = "gateways"
WATCHERS = "dashboard.live"
WATCHED = {"type": "watched"}
"""What a watcher tells the processes."""

ANNOUNCE_SECONDS = 10.0
PATIENCE = 25.0
PERIOD = 1.0
MOST_RUNNING = 100
"""Running requests of one process that are listed one by one, the oldest first."""
MOST_FINISHED = 50
"""The same of those that ended since the last beat, the newest."""


class Running(msgspec.Struct, frozen=True):
    """A request under way. Whose it is by name and number, never by a key's text.

    age             seconds;  waiting: nothing of its answer has come yet
    input_tokens    of its prompt, an estimate until the backend reports it
    output_tokens   so far
    """

    id: str
    age: float
    key: str = ""
    key_id: int = 0
    fingerprint: str = ""
    model: str = ""
    backend: str = ""
    session: str = ""
    streamed: bool = False
    waiting: bool = True
    input_tokens: int = 0
    output_tokens: int = 0


class Finished(msgspec.Struct, frozen=True):
    """A request that ended. `at`: when, in Unix seconds; `seconds`: how long it took."""

    id: str
    at: float
    seconds: float
    outcome: str
    status: int
    error_type: str = ""
    key: str = ""
    key_id: int = 0
    fingerprint: str = ""
    model: str = ""
    backend: str = ""
    session: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int | None = None


class ActivitySnapshot(msgspec.Struct, frozen=True):
    """One second of one process.

    running, finished    the first of them;  running_count: all that run
    ended                outcome -> how many ended since the last beat, all of them
    tokens               that those used, prompts and answers
    waiting, lag         records that are no rows of the ledger yet, and seconds it is behind
    """

    process: str
    at: float
    running: tuple[Running, ...] = ()
    running_count: int = 0
    finished: tuple[Finished, ...] = ()
    ended: dict[str, int] = msgspec.field(default_factory=dict)
    tokens: int = 0
    waiting: int = 0
    lag: float = 0.0

    def message(self) -> dict[str, object]:
        """For the group WATCHERS."""
        return {"type": "beat", "beat": msgspec.to_builtins(self)}
