"""One POST to a webhook, signed as Standard Webhooks have it.

No redirect is followed, no cookie kept, no proxy of the environment asked, and of the answer only
its status is read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import httpx

from bridge.backends import failures
from bridge.models.warnings.rules import secret_bytes
from bridge.outbound import transport
from bridge.outbound.errors import AddressError, SilentError
from bridge.routing import addresses
from bridge.warnings.delivery_error import DeliveryError

TIMEOUT_SECONDS = 10.0
"""For all of it: connection, request and the head of the answer."""


def signature(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over id, timestamp and body with dots between them."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret_bytes(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """All of a request but its address; `webhook-signature` only where there is a secret."""
    lines = {
        "content-type": "application/json",
        "user-agent": "claude-bridge",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
    }
    if secret:
        lines["webhook-signature"] = signature(secret, message_id, timestamp, body)
    return lines


async def post(
    address: str,
    lines: dict[str, str],
    body: bytes,
    seconds: float = TIMEOUT_SECONDS,
) -> None:
    """Send, and be content with any status of 200 to 299. Raises DeliveryError otherwise."""
    if addresses.problem(address, with_query=True):
        raise DeliveryError("no usable address")
    try:
        # The connection goes with its client, and with it a body of whatever length.
        async with (
            transport.client(seconds) as client,
            client.stream("POST", address, headers=lines, content=body) as reply,
        ):
            status = reply.status_code
    except SilentError:
        raise DeliveryError(f"no answer within {seconds:g} s") from None
    except failures.NETWORK_ERRORS as error:
        raise DeliveryError(_cause(error)) from None
    if 300 <= status < 400:
        raise DeliveryError(f"status {status}: redirects are not followed")
    if not 200 <= status < 300:
        raise DeliveryError(f"status {status}")


def _cause(error: Exception) -> str:
    """Why it failed, by the table of the backends; no word of an exception, for it may name the
    address."""
    if isinstance(error, (AddressError, httpx.InvalidURL)):
        return "no usable address"
    return failures.cause_of(error).words
