"""Writing whole answers as ASGI messages."""

from __future__ import annotations

from bridge.api.request_body import Send
from bridge.relay.pipeline import JSON_HEADERS
from bridge.translation.errors.api_error import ApiError

NO_BODY = frozenset({204, 304})


async def start(send: Send, status: int, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


async def reply(send: Send, status: int, headers: dict[str, str], body: bytes) -> None:
    length = {} if status in NO_BODY else {"content-length": str(len(body))}
    await start(send, status, headers | length)
    await send({"type": "http.response.body", "body": body})


async def fail(send: Send, error: ApiError, request_id: str) -> None:
    headers = {**JSON_HEADERS, **error.reply_headers(), "request-id": request_id}
    await reply(send, error.status, headers, error.body(request_id))
