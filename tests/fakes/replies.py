"""What a scripted answer consists of: steps, replies, and the request that they answer.

A reply is a head and a list of steps. A step is bytes to write, a gate to wait at, or an end of the
connection. There are no delays: whatever has to wait, waits at a gate that the test opens.
"""

import asyncio
import concurrent.futures
import enum
import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.chunks import Json, frame

WAIT_SECONDS = 25.0
SSE = "text/event-stream; charset=utf-8"
DONE = b"data: [DONE]\n\n"


class End(enum.Enum):
    """Ways to end a connection in the middle of a reply."""

    CLOSE = "the socket is closed in good order, the body is not complete"
    RESET = "the socket is torn down"


class Gate:
    """A place where the backend waits until the test lets it go on."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened: concurrent.futures.Future[None] = concurrent.futures.Future()

    def open(self) -> None:
        if not self._opened.done():
            self._opened.set_result(None)

    @property
    def is_reached(self) -> bool:
        """Whether the backend stands here, or has passed."""
        return self._reached.is_set()

    def wait_reached(self, seconds: float = WAIT_SECONDS) -> None:
        """Return when the backend stands here: all that comes before has been written."""
        assert self._reached.wait(seconds), "the backend never came to this gate"

    async def passed(self) -> None:
        """The backend's side of it."""
        self._reached.set()
        await asyncio.shield(asyncio.wrap_future(self._opened))


Step = bytes | Gate | End
Loose = Json | str | Step


@dataclass(slots=True)
class Call:
    """A request as the backend received it."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    raw: bytes
    left: threading.Event = field(default_factory=threading.Event)
    answered: threading.Event = field(default_factory=threading.Event)

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def model(self) -> str:
        return str(self.body.get("model"))

    def header(self, name: str) -> str | None:
        """All values under this name, joined; None when it is absent."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None

    def wait_left(self) -> None:
        """Return when the gateway has closed this connection before the reply was complete."""
        assert self.left.wait(WAIT_SECONDS), "the gateway kept the connection open"

    def wait_answered(self) -> None:
        assert self.answered.wait(WAIT_SECONDS), "the reply was never completed"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. Without a length it is chunked; without a status the connection ends at once.

    `closes`: the connection is closed right behind it, although nothing in it says so.
    """

    steps: tuple[Step, ...]
    status: int | None = 200
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None
    before: Gate | None = None
    closes: bool = False

    @property
    def gates(self) -> list[Gate]:
        inside = [step for step in self.steps if isinstance(step, Gate)]
        return inside if self.before is None else [self.before, *inside]


def fixed(
    body: bytes,
    content_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    before: Gate | None = None,
) -> Reply:
    """A reply whose body is known as a whole."""
    head = (("content-type", content_type), *(headers or {}).items())
    return Reply((body,), status, head, len(body), before)


def streamed(
    steps: Iterable[Loose],
    model: str,
    done: bool = True,
    split: int | None = None,
    before: Gate | None = None,
) -> Reply:
    """An event stream: dicts become chunk events, text and bytes go out as they are."""
    exact = [_exact(step, model) for step in steps]
    if done:
        exact.append(DONE)
    if split is not None:
        exact = [piece for step in exact for piece in _pieces(step, split)]
    return Reply(tuple(exact), headers=(("content-type", SSE),), before=before)


def _exact(step: Loose, model: str) -> Step:
    match step:
        case dict():
            return frame(step, model)
        case str():
            return step.encode()
        case _:
            return step


def _pieces(step: Step, size: int) -> list[Step]:
    if not isinstance(step, bytes):
        return [step]
    return [step[start : start + size] for start in range(0, len(step), size)]
