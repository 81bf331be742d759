"""Requests to the provider: bounded in time and size, straight, and to the addresses alone that its
own description names.

allauth speaks through this session too. It is one of `requests`, because allauth's flow is written
for it.
"""

from __future__ import annotations

import ssl
import time
from typing import Any

import msgspec
import requests
import urllib3

from bridge.oidc.refusals import RefusalCause, SignInError

TIMEOUT = 5.0
"""Seconds to connect, and between two pieces of an answer."""
IN_ALL = 10.0
LARGEST = 1024 * 1024
"""Bytes of an answer: a key set or a token is a few thousand."""
PIECE = 64 * 1024


class BoundedSession(requests.Session):
    """Follows no redirect, takes no proxy or password of the environment, and reads up to LARGEST
    bytes within IN_ALL seconds. Raises requests.RequestException, a kind of OSError."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        # the authorities that the backends' connections trust, SSL_CERT_FILE among them
        self.verify = ssl.get_default_verify_paths().cafile or True

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs |= {"timeout": TIMEOUT, "allow_redirects": False, "stream": True}
        deadline = time.monotonic() + IN_ALL
        response = super().request(*args, **kwargs)
        with response:
            response._content = _read(response, deadline)
            response._content_consumed = True
        return response


def _read(response: requests.Response, deadline: float) -> bytes:
    parts, size = list[bytes](), 0
    try:
        while part := response.raw.read1(PIECE, decode_content=True):
            parts.append(part)
            size += len(part)
            if size > LARGEST:
                raise requests.RequestException("the answer is too large")
            if time.monotonic() > deadline:
                raise requests.Timeout("the answer takes too long")
    except urllib3.exceptions.HTTPError as error:
        raise requests.RequestException(type(error).__name__) from None
    return b"".join(parts)


def get_json(address: str, token: str = "") -> dict[str, Any]:
    """A JSON object at this address. Raises SignInError: AWAY or ANSWER."""
    headers = {"Accept": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    try:
        with BoundedSession() as session:
            response = session.get(address, headers=headers)
    except OSError:
        raise SignInError(RefusalCause.AWAY) from None
    if response.status_code != 200:
        raise SignInError(RefusalCause.AWAY, f"it answered with {response.status_code}")
    return decoded(response.content)


def decoded(content: bytes) -> dict[str, Any]:
    """Raises SignInError: ANSWER."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise SignInError(RefusalCause.ANSWER, "expected a JSON object") from None
