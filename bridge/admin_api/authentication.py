"""Header -> token of the admin API. Wrong ones are counted by the address that sends them."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest

from bridge.accounts.tries import Tries
from bridge.keys.authentication import digest
from bridge.models import AdminToken
from bridge.translation.errors.api_error import ApiError

TRIES = Tries("admin-token-tries-")
LONGEST_TOKEN = 200
MISSING = "Missing token: send Authorization: Bearer with a token of the admin API"
INVALID = "Invalid token: `manage.py issue_token NAME --role ROLE` makes one"
LOCKED = "Too many wrong tokens from this address. Try again later"
_ENDED = {
    "revoked": "This token (ends in {four}) was revoked",
    "expired": "This token (ends in {four}) expired",
}


def token_of(request: HttpRequest) -> AdminToken:
    """The token of a request. Raises a 401, and a 429 while its address is locked."""
    text = _bearer(request)
    if TRIES.is_locked(request):
        raise ApiError(429, LOCKED, retry_after=int(settings.LOGIN_LOCK_SECONDS))
    row = AdminToken.objects.filter(digest=digest(text)).first()
    if row is None:
        TRIES.failed(request)
        raise _refusal(INVALID)
    if row.state in _ENDED:
        raise _refusal(_ENDED[row.state].format(four=row.last_four))
    row.note_use()
    return row


def _bearer(request: HttpRequest) -> str:
    scheme, _, text = request.headers.get("authorization", "").strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text:
        raise _refusal(MISSING)
    if len(text) > LONGEST_TOKEN or not text.isascii():
        TRIES.failed(request)
        raise _refusal(INVALID)
    return text


def _refusal(message: str) -> ApiError:
    return ApiError(401, message, headers={"www-authenticate": "Bearer"})
