"""ETags of documents, and requests that hold only while a row is as their sender knows it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bridge.admin_api.route import ApiCall
from bridge.translation.errors.api_error import ApiError

CHANGED = "If-Match: it is not as you know it any more; read it again"
THERE = "If-None-Match: it is there already"


def etag(document: dict[str, Any]) -> str:
    """The ETag of a document."""
    text = json.dumps(document, sort_keys=True, default=str)
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def check(call: ApiCall, known: str | None) -> None:
    """Compare a write with the row's ETag, None for no row. Raises a 412."""
    if call.if_match and not _matches(call.if_match, known):
        raise ApiError(412, CHANGED, "invalid_request_error")
    if call.if_none_match and _matches(call.if_none_match, known):
        raise ApiError(412, THERE, "invalid_request_error")


def is_unchanged(call: ApiCall, known: str) -> bool:
    """Whether its sender has this already."""
    return bool(call.if_none_match) and _matches(call.if_none_match, known)


def _matches(header: str, known: str | None) -> bool:
    if known is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or known in tags
