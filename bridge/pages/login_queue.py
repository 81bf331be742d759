"""One login at a time, in front of Django.

To check a password takes a quarter of a second of a core, and a thread for each that is checked. So
they are checked one after the other; few may wait, fewer from one address, and the others are
refused at once. An address that is locked is refused here for some seconds without asking again.
Forms are read before they wait, so nobody holds the place who has not sent one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable

from django.conf import settings

from bridge.accounts.login_throttle import LOCKED_UNTIL, counted_as
from bridge.api.request_body import ClientLeftError, Receive, Scope, Send, client_of, too_large
from bridge.places import FullError, Places
from bridge.translation.errors.api_error import ApiError

LOGIN = "/admin/login/"
FORM_BYTES = 64 * 1024
FORM_SECONDS = 10.0
WAITING = 16
WAITING_FROM_ONE_ADDRESS = 2
RETRY_SECONDS = 2
REMEMBERED_SECONDS = 10.0
"""How long a lock is remembered here, so that one that an operator lifts ends soon."""
REMEMBERED_ADDRESSES = 10_000
BUSY = "Too many logins at this moment. Try again in a few seconds."
LOCKED = "Too many failed logins from this address. Try again later."
SLOW = "The form did not arrive in time."

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class LoginQueue:
    """Wraps the application that has the login's page; everything else passes."""

    def __init__(self, pages: Application, clock: Callable[[], float] = time.monotonic) -> None:
        self._pages = pages
        self._clock = clock
        self._places = Places(1, WAITING)
        self._from: Counter[str] = Counter()
        self._locked: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_login = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", LOGIN)
        if not is_login:
            await self._pages(scope, receive, send)
            return
        address = str(counted_as(client_of(scope, settings.TRUST_FORWARDED_PROTO)) or "unknown")
        if (left := self._locked.get(address, 0.0) - self._clock()) > 0:
            await _refuse(send, 429, LOCKED, int(left) + 1)
            return
        try:
            async with asyncio.timeout(FORM_SECONDS):
                body = await _form(receive)
        except ClientLeftError:
            return
        except ApiError as error:
            await _refuse(send, error.status, error.message)
        except TimeoutError:
            await _refuse(send, 408, SLOW)
        else:
            await self._wait(address, body, scope, receive, send)

    async def _wait(
        self, address: str, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """The form's turn. The same address may have a few that wait, others their own."""
        if self._from[address] >= WAITING_FROM_ONE_ADDRESS:
            await _refuse(send, 503, BUSY, RETRY_SECONDS)
            return
        self._from[address] += 1
        try:
            async with self._places.take():
                await self._pages(scope, _replayed(body, receive), send)
        except FullError:
            await _refuse(send, 503, BUSY, RETRY_SECONDS)
        finally:
            self._from[address] -= 1
            if not self._from[address]:
                del self._from[address]
        self._remember(address, scope.get(LOCKED_UNTIL, 0.0))

    def _remember(self, address: str, seconds: float) -> None:
        if seconds <= 0:
            return
        if len(self._locked) >= REMEMBERED_ADDRESSES:
            self._locked.clear()
        self._locked[address] = self._clock() + min(seconds, REMEMBERED_SECONDS)


async def _form(receive: Receive) -> bytes:
    """The form as it was sent. Raises ClientLeftError, a 413, and whatever bounds `receive`."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientLeftError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > FORM_BYTES:
            raise too_large(FORM_BYTES)
        more = bool(message.get("more_body"))
    return b"".join(parts)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """`receive` with the form that was read already, then what else the server says."""
    first = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> object:
        return first.pop() if first else await receive()

    return again  # type: ignore[return-value]


async def _refuse(send: Send, status: int, text: str, retry_after: int = 0) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if retry_after:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
