"""GET /managed/settings: what a signed-in Claude Code runs under. Pure.

It asks about once an hour and names the settings that it holds. A 304 to a request that names none
counts as a failure with it, so `*`, which only asks whether there is something, is answered as no
condition at all.
"""

from __future__ import annotations

import re

from bridge.client_settings.managed import Policy
from bridge.translation.errors.api_error import ApiError

NONE = "There are no managed settings for this key"
HEADERS = {"cache-control": "private, no-cache"}
MOST_CONDITION = 4096
_TAG = re.compile(r'(?:W/)?("[^"]*")')


def answer(policy: Policy | None, condition: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body. `condition`: the value of If-None-Match. Raises a 404."""
    if policy is None:
        raise ApiError(404, NONE)
    headers = HEADERS | {"etag": policy.tag}
    if is_known(policy.tag, condition):
        return 304, headers, b""
    return 200, headers | {"content-type": "application/json"}, policy.body().encode()


def is_known(tag: str, condition: str) -> bool:
    """Whether one of the entity tags of If-None-Match is this one; a weak one counts as well."""
    return tag in _TAG.findall(condition[:MOST_CONDITION])
