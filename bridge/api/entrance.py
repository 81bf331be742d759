"""What every HTTP request passes before it is routed: path, Host, Origin, and limits of pages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bridge.api import hosts, oauth_replies
from bridge.api.base_paths import canonical
from bridge.api.replies import fail, reply
from bridge.api.request_body import BodyReader, Receive, Scope, Send, headers_of
from bridge.ids import mint
from bridge.keys import spend_headers
from bridge.process_settings import AccessSettings, BodySettings
from bridge.runtime.body_memory import BodyMemory
from bridge.translation.errors.api_error import ApiError

Application = Callable[[Scope, Receive, Send], Awaitable[None]]
Fail = Callable[[Send, ApiError, str], Awaitable[None]]

BELOW = "admin|api/admin|dashboard|device|my|sign-in|static"
"""What the paths of the control plane begin with, beside the welcome page."""
PAGES = re.compile(rf"/(?:(?:{BELOW})(?:/.*)?)?", re.DOTALL)
"""Paths of the control plane, which Django serves: no other site may read them."""
OPEN_TO_ALL = frozenset({"/health"})
"""Asked by probes, which put the address of a container into Host. Names and states only."""

PAGE_BODY_BYTES = 2_500_000
"""More than any form of ours sends, and less than what Django would put into a file."""
PAGE_MEMORY = 32 * 1024 * 1024

METHODS = "GET, HEAD, POST"
EXPOSED = ", ".join(
    (
        "request-id",
        "retry-after",
        "x-should-retry",
        "x-gateway-model",
        "x-gateway-dropped",
        "anthropic-ratelimit-requests-limit",
        "anthropic-ratelimit-requests-remaining",
        "anthropic-ratelimit-requests-reset",
        "anthropic-ratelimit-tokens-limit",
        "anthropic-ratelimit-tokens-remaining",
        "anthropic-ratelimit-tokens-reset",
        *spend_headers.NAMES,
    )
)
PREFLIGHT_SECONDS = "7200"
MAX_ASKED_HEADERS = 4096


def entrance(application: Application, access: AccessSettings) -> Application:
    """The application behind the checks that hold for every path."""

    async def checked(scope: Scope, receive: Receive, send: Send) -> None:
        scope = {**scope, "path": canonical(scope["path"])}
        headers = headers_of(scope)
        try:
            origin = _check(scope["path"], headers, access)
        except ApiError as error:
            await _failing(scope["path"])(send, error, f"req_{mint()}")
            return
        if origin and scope["method"] == "OPTIONS":
            await _preflight(send, origin, headers)
            return
        await application(scope, receive, _sharing(send, origin) if origin else send)

    return checked


def _check(path: str, headers: dict[str, str], access: AccessSettings) -> str:
    """The foreign origin that may read the answer, "" for none. Raises ApiError."""
    if path in OPEN_TO_ALL:
        return ""
    hosts.check_host(headers, access.allowed_hosts)
    return "" if PAGES.fullmatch(path) else hosts.allowed_origin(headers, access)


async def _preflight(send: Send, origin: str, headers: dict[str, str]) -> None:
    """A browser asks whether a page may send such a request."""
    answer = {
        "access-control-allow-origin": origin,
        "access-control-allow-methods": METHODS,
        "access-control-max-age": PREFLIGHT_SECONDS,
        "vary": "origin",
    }
    if requested := headers.get("access-control-request-headers", "")[:MAX_ASKED_HEADERS]:
        answer["access-control-allow-headers"] = requested
    if headers.get("access-control-request-private-network") == "true":
        answer["access-control-allow-private-network"] = "true"
    await reply(send, 204, answer, b"")


def _sharing(send: Send, origin: str) -> Send:
    """Sends answers that this origin's pages may read."""
    shared = [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-expose-headers", EXPOSED.encode()),
        (b"vary", b"origin"),
    ]

    async def sharing(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *shared]}
        await send(message)

    return sharing


def _failing(path: str) -> Fail:
    """How a path tells what is wrong."""
    return oauth_replies.fail if path.startswith(oauth_replies.PATHS) else fail


def bounded(application: Application, bodies: BodySettings) -> Application:
    """Pages, whose bodies are limited in size, memory and time while they are received."""
    memory = BodyMemory(PAGE_MEMORY, "forms")
    of_pages = min(PAGE_BODY_BYTES, bodies.max_body_bytes)

    async def receiving(scope: Scope, receive: Receive, send: Send) -> None:
        is_form = scope["path"].startswith(oauth_replies.PATHS)
        limit = min(of_pages, oauth_replies.FORM_BYTES) if is_form else of_pages
        with memory.share() as share:
            reader = BodyReader(receive, limit, share, bodies)
            try:
                await application(scope, reader.receive, send)
            except ApiError as error:
                await _failing(scope["path"])(send, error, f"req_{mint()}")

    return receiving


def unknown(for_clients: Application, for_browsers: Application) -> Application:
    """Where nothing is: a person at a browser gets a page, everybody else the envelope."""

    async def answering(scope: Scope, receive: Receive, send: Send) -> None:
        reads_pages = "text/html" in headers_of(scope).get("accept", "")
        by_browser = reads_pages and scope["method"] in ("GET", "HEAD")
        await (for_browsers if by_browser else for_clients)(scope, receive, send)

    return answering
