"""Hosting below a path (BASE_PATH): `https://example.com/gateway/v1/messages`.

A front may hand the whole path on, or leave the base out; both arrive here as the rest of it.
What is written into pages, redirects and documents begins with the base by Django's
FORCE_SCRIPT_NAME.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from django.urls import set_script_prefix

from bridge.api.request_body import Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def below(application: Application, base: str) -> Application:
    """The application, which sees paths without the base. No header moves it elsewhere."""

    async def placed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            # Daphne takes the root from a header that anybody may send.
            scope = {**scope, "root_path": "", "path": without(scope["path"], base)}
            if base:
                set_script_prefix(f"{base}/")
        await application(scope, receive, send)

    return placed


def whole(application: Application, base: str) -> Application:
    """An application that is to see the base, as Django does: it takes it off itself."""
    if not base:
        return application

    async def seeing(scope: Scope, receive: Receive, send: Send) -> None:
        await application({**scope, "path": base + scope["path"]}, receive, send)

    return seeing


def without(path: str, base: str) -> str:
    """The path without the base in front of it, where it is there as whole words."""
    rest = path.removeprefix(base)
    if not base or rest == path or not (rest == "" or rest.startswith("/")):
        return path
    return rest or "/"
