"""Answers that a server gives by itself, before there is a request for the application."""

from __future__ import annotations

from http import HTTPStatus

from bridge.ids import mint
from bridge.translation.errors.api_error import ApiError

MAX_HEAD_BYTES = 64 * 1024
"""Request line and headers of a request, together."""

PHRASES: dict[int, bytes] = {
    **{status.value: status.phrase.encode() for status in HTTPStatus},
    413: b"Content Too Large",
    529: b"Overloaded",
}
"""Reason phrases of status lines. 529 is no registered status, so no server knows one."""

MALFORMED = ApiError.invalid("The request is not valid HTTP")
TOO_LARGE = ApiError(
    431, f"Request line and headers exceed {MAX_HEAD_BYTES} bytes", "invalid_request_error"
)


def refusal(error: ApiError) -> bytes:
    """A whole reply in the usual envelope, after which the connection closes."""
    request_id = f"req_{mint()}"
    body = error.body(request_id)
    headers = {
        "content-type": "application/json",
        **error.reply_headers(),
        "request-id": request_id,
        "content-length": str(len(body)),
        "connection": "close",
    }
    head = [b"HTTP/1.1 %d %b" % (error.status, PHRASES.get(error.status, b""))]
    head += [f"{name}: {value}".encode("latin-1") for name, value in headers.items()]
    return b"\r\n".join([*head, b"", body])
