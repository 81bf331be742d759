"""The queue of answers that a test gives the fake backend for one model or route."""

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tests.fakes.chunks import Json, fold
from tests.fakes.replies import Call, Gate, Loose, Reply, fixed, streamed


class Script:
    """A queue of replies; the last one repeats. Every method returns the script, for chaining."""

    def __init__(self) -> None:
        self._queue: list[Callable[[Call], Reply]] = []
        self._lock = threading.Lock()
        self.gates: list[Gate] = []

    def take(self, request: Call) -> Reply | None:
        with self._lock:
            if not self._queue:
                return None
            make = self._queue.pop(0) if len(self._queue) > 1 else self._queue[0]
        reply = make(request)
        self.gates.extend(reply.gates)
        return reply

    def answer(self, *chunks: Json) -> "Script":
        """In the mode that is asked for: an event stream, or the same content as one completion."""
        return self._then(lambda request: in_mode(chunks, request))

    def each(self, make: Callable[[Call], Iterable[Json] | Reply]) -> "Script":
        """What `make` says to each request: chunks for the mode that is asked for, or a reply."""

        def reply(request: Call) -> Reply:
            made = make(request)
            return made if isinstance(made, Reply) else in_mode(made, request)

        return self._then(reply)

    def stream(
        self,
        *steps: Loose,
        done: bool = True,
        split: int | None = None,
        before: Gate | None = None,
    ) -> "Script":
        """An event stream, whatever was asked for. `split`: bytes per piece written."""
        return self._then(lambda request: streamed(steps, request.model, done, split, before))

    def json(
        self,
        body: Any,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        before: Gate | None = None,
    ) -> "Script":
        reply = fixed(json.dumps(body).encode(), "application/json", status, headers, before)
        return self._then(lambda request: reply)

    def error(
        self,
        status: int,
        message: str = "scripted failure",
        headers: Mapping[str, str] | None = None,
    ) -> "Script":
        """An error in the reference's shape."""
        body = {"error": {"message": message, "type": "scripted", "param": None, "code": None}}
        return self.json(body, status, headers)

    def raw(self, body: str | bytes, content_type: str, status: int = 200) -> "Script":
        exact = body.encode() if isinstance(body, str) else body
        reply = fixed(exact, content_type, status)
        return self._then(lambda request: reply)

    def close_behind(self) -> "Script":
        """Close the connection right behind the answer that was scripted last."""
        with self._lock:
            make = self._queue.pop()
            self._queue.append(lambda request: replace(make(request), closes=True))
        return self

    def drop(self) -> "Script":
        """Close the connection without a word."""
        return self._then(lambda request: Reply((), None))

    def _then(self, make: Callable[[Call], Reply]) -> "Script":
        with self._lock:
            self._queue.append(make)
        return self


def in_mode(chunks: Iterable[Json], request: Call) -> Reply:
    """These chunks in the mode that was asked for."""
    body = request.body
    if not body.get("stream"):
        folded = json.dumps(fold(chunks, request.model)).encode()
        return fixed(folded, "application/json")
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    steps = [chunk for chunk in chunks if wants_usage or chunk["choices"]]
    return streamed(steps, request.model)
