"""Many clients at once. Each asks, reads its answer to the end, and asks the next thing.

The crowd runs in a thread of its own, so that a test can kill the gateway meanwhile. Every request
has a number, in its text and as its session, so that a backend's answer, what the client saw and a
row of the ledger can be laid side by side.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.fakes.client import KEY, MESSAGES, ask
from tests.fakes.replies import Call
from tests.grammar import check_stream, parse_sse

WAIT_SECONDS = 120.0
AT_ONCE = 16
SESSION = "x-claude-code-session-id"
PREFIX = "number "
LAST_EVENT = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


@dataclass(slots=True)
class Seen:
    """What one client saw of one request.

    whole  all of the answer
    calm   nobody was killed meanwhile
    """

    number: int
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    whole: bool = False
    calm: bool = True


def number_of(call: Call) -> int:
    """Which request of a crowd came to the backend."""
    text = str(call.body["messages"][-1]["content"])
    return int(text.removeprefix(PREFIX))


class Crowd:
    """`count` requests, so many `at_once`; every second one is streamed, unless `fields` say it.

    Where nobody listens at `url`, the crowd waits until it is told of another one.
    """

    def __init__(
        self, url: str, count: int, at_once: int = AT_ONCE, key: str = KEY, **fields: Any
    ) -> None:
        self.seen: list[Seen] = []
        self._url = url
        self._key = key
        self._at_once = at_once
        self._fields = fields
        self._numbers = iter(range(count))
        self._kills = 0  # odd while somebody is killed
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    @property
    def whole(self) -> list[Seen]:
        """Those whose answers came in full."""
        return [seen for seen in list(self.seen) if seen.whole]

    def wait_until(self, happened: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(happened, WAIT_SECONDS), f"{len(self.seen)} ended so far"

    def wait_for(self, count: int) -> None:
        """Return when so many have got whole answers."""
        self.wait_until(lambda: len(self.whole) >= count)

    def wait_all(self) -> list[Seen]:
        """Return when all have ended, well or not."""
        self._thread.join(WAIT_SECONDS)
        assert not self._thread.is_alive(), f"{len(self.seen)} ended so far"
        return self.seen

    def move(self, url: str) -> None:
        """From now on ask there."""
        with self._changed:
            self._url = url
            self._changed.notify_all()

    @contextmanager
    def killing(self) -> Iterator[None]:
        """Somebody is killed in this block: what is under way in it may be cut."""
        self._kills += 1
        yield
        turn = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self._loop)
        turn.result(WAIT_SECONDS)  # by now the crowd has noticed which connections broke
        self._kills += 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.move("")
        self.wait_all()

    # --- in its thread ---

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        headers = {"x-api-key": self._key, "anthropic-version": "2023-06-01"}
        patience = aiohttp.ClientTimeout(WAIT_SECONDS)
        async with (
            aiohttp.ClientSession(headers=headers, timeout=patience) as session,
            asyncio.TaskGroup() as clients,
        ):
            for _ in range(self._at_once):
                clients.create_task(self._client(session))

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while self._url and (number := next(self._numbers, None)) is not None:
            before = self._kills
            seen = await self._ask(session, Seen(number))
            seen.calm = self._kills == before and before % 2 == 0
            with self._changed:
                self.seen.append(seen)
                self._changed.notify_all()

    async def _ask(self, session: aiohttp.ClientSession, seen: Seen) -> Seen:
        url = self._url
        while url:
            try:
                await self._exchange(session, url, seen)
            except aiohttp.ClientConnectorError:
                url = await asyncio.to_thread(self._moved_from, url)
                continue
            except aiohttp.ClientError:
                pass  # it began, and will not come to its end
            break
        return seen

    def _moved_from(self, url: str) -> str:
        with self._changed:
            assert self._changed.wait_for(lambda: self._url != url, WAIT_SECONDS)
            return self._url

    async def _exchange(self, session: aiohttp.ClientSession, url: str, seen: Seen) -> None:
        body = ask(f"{PREFIX}{seen.number}", stream=seen.number % 2 == 0) | self._fields
        headers = {SESSION: f"session-{seen.number}"}
        async with session.post(f"{url}{MESSAGES}", json=body, headers=headers) as response:
            seen.status, seen.headers = response.status, response.headers
            raw = await _read(response)
        if response.content_type == "text/event-stream":
            seen.body = check_stream(parse_sse(raw))
            seen.whole = "error" not in seen.body
        else:
            seen.body = json.loads(raw)
            seen.whole = True


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. A stream is whole with its last event, whatever becomes of the connection."""
    raw = bytearray()
    try:
        async for chunk in response.content.iter_any():
            raw += chunk
    except aiohttp.ClientError:
        if LAST_EVENT not in raw:
            raise
    return bytes(raw)
