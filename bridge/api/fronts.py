"""Whose word on a request's origin counts: X-Forwarded-* of listed fronts only (TRUSTED_PROXIES).

Settled once, in front of everything else: from any other peer the headers arrive empty, so that
whoever reads them later finds nothing to believe. They do not go away: that a request was handed
on at all is what `hosts` needs to know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bridge.api.request_body import Receive, Scope, Send
from bridge.keys.client_address import Network, client_address, is_within

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

FOR, PROTO = b"x-forwarded-for", b"x-forwarded-proto"
MOST_HOPS = 32
"""Fronts in a row; what stands before so many is not looked at."""


def believing(application: Application, proxies: Sequence[Network]) -> Application:
    """The application, which sees what these fronts say and nothing that others say.

    Without any listed, everything is as it came.
    """
    if not proxies:
        return application

    async def settled(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            scope = {**scope, "headers": believed(scope, proxies)}
        await application(scope, receive, send)

    return settled


def believed(scope: Scope, proxies: Sequence[Network]) -> Headers:
    """The headers of a request, with what its peer may say about where it comes from.

    Who connects by a Unix socket was let in by the rights of the file.
    """
    peer = scope.get("client")
    headers = [(bytes(name), bytes(value)) for name, value in scope["headers"]]
    address = str(peer[0]) if peer and peer[0] else ""
    if address and not is_within(client_address(address, "", False), proxies):
        return [(name, b"" if name in (FOR, PROTO) else value) for name, value in headers]
    return [
        (name, _last_stranger(value, proxies) if name == FOR else value) for name, value in headers
    ]


def _last_stranger(value: bytes, proxies: Sequence[Network]) -> bytes:
    """Of the addresses that each front has added, the last one that is not itself a front's."""
    hops = value.rsplit(b",", MOST_HOPS)
    for hop in reversed(hops):
        text = hop.strip()
        if not is_within(client_address(text.decode("latin-1"), "", False), proxies):
            return text
    return hops[0].strip()
