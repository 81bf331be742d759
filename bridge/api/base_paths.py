"""Paths as clients send them whose base address is not exactly what they should have been given.

An OpenAI client is given an address that ends in `/v1`, and people copy it. Clients of the Messages
API put `/v1/messages` behind whatever they were given.
"""

from __future__ import annotations

BASES = ("/v1/messages", "/anthropic", "/v1")
"""What stands in front of the API's paths, from the longest to the shortest."""

API = (
    "/v1/",
    "/api/hello",
    "/api/oauth/usage",
    "/managed/settings",
    "/oauth/",
    "/.well-known/oauth-authorization-server",
)
MOST_BASES = 4
"""As many as anybody has put in front of each other, so that a long path makes no work."""


def canonical(path: str) -> str:
    """The path without a base in front of it and without a slash behind it."""
    for _ in range(MOST_BASES):
        shorter = _without_base(path)
        if shorter == path:
            break
        path = shorter
    stripped = path.rstrip("/")
    return stripped if path.startswith(API) and f"{stripped}/" != API[0] else path


def _without_base(path: str) -> str:
    for base in BASES:
        if not path.startswith(base):
            continue
        rest = path[len(base) :]
        shorter = "/" + rest.lstrip("/")
        if rest.startswith("/") and shorter.startswith(API):
            return shorter
    return path
