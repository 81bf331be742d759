"""What a client is answered that gets no tokens: codes of RFC 6749, RFC 8628 and RFC 7009."""

from __future__ import annotations

from dataclasses import dataclass

PENDING = "authorization_pending"
SLOW_DOWN = "slow_down"
DENIED = "access_denied"
EXPIRED = "expired_token"
INVALID_GRANT = "invalid_grant"
INVALID_REQUEST = "invalid_request"
UNSUPPORTED_GRANT = "unsupported_grant_type"
UNAVAILABLE = "temporarily_unavailable"


@dataclass(eq=False)
class NoTokensError(Exception):
    """`retry_after` in seconds; 0 for none."""

    code: str
    description: str
    status: int = 400
    retry_after: int = 0

    def __post_init__(self) -> None:
        Exception.__init__(self, self.description)

    def document(self) -> dict[str, str]:
        """The body of the answer."""
        return {"error": self.code, "error_description": self.description}
