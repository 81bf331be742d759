"""How the addresses of a sign-in tell what is wrong before a view is asked: as RFC 6749 does."""

from __future__ import annotations

from bridge.api.replies import reply
from bridge.api.request_body import Send
from bridge.relay.pipeline import JSON_HEADERS
from bridge.sign_in import failures
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import encode

PATHS = ("/oauth/", "/.well-known/oauth-authorization-server")
FORM_BYTES = 16 * 1024
"""Far more than any form of a client here."""


async def fail(send: Send, error: ApiError, request_id: str) -> None:
    """The error as `error` and `error_description`, with its status."""
    code = failures.UNAVAILABLE if error.status >= 500 else failures.INVALID_REQUEST
    body = encode({"error": code, "error_description": error.message})
    headers = {**JSON_HEADERS, **error.reply_headers(), "cache-control": "no-store"}
    await reply(send, error.status, {**headers, "request-id": request_id}, body)
