"""Whether an ID token is good: OpenID Connect Core 1.0, section 3.1.3.7.

The signature is always checked, also of a token that came straight from the provider.
"""

from __future__ import annotations

from typing import Any

import jwt
from django.conf import settings
from django.utils.crypto import constant_time_compare

from bridge.oidc import provider_document
from bridge.oidc.refusals import RefusalCause, SignInError

ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip
"""Those with a public key. Neither `none` nor one whose key the client knows."""
LEEWAY = 60
"""Seconds by which clocks may differ."""
LONGEST_SUBJECT = 191
"""Characters that the table of linked accounts takes."""
REQUIRED = ("iss", "sub", "aud", "exp", "iat")

# the first that fits; each stands before those that it is derived from
_FAULTS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "it has expired"),
    (jwt.ImmatureSignatureError, "it is not valid yet"),
    (jwt.InvalidIssuerError, "it is of another issuer"),
    (jwt.InvalidAudienceError, "it is for another client"),
    (jwt.MissingRequiredClaimError, "a claim is missing that every token has"),
    (jwt.InvalidSignatureError, "its signature is wrong"),
    (jwt.InvalidAlgorithmError, "its algorithm is not accepted"),
)


def verified(token: str, nonce: str) -> dict[str, Any]:
    """The claims of a good token. Raises SignInError."""
    key = _key_of(token)
    try:
        claims = jwt.decode(
            token,
            key=key,
            algorithms=ALGORITHMS,
            audience=settings.OIDC_CLIENT_ID,
            issuer=provider_document.document().issuer,
            leeway=LEEWAY,
            options={"require": list(REQUIRED)},
        )
    except jwt.PyJWTError as error:
        raise _refused(error) from None
    except (ValueError, TypeError):
        raise SignInError(RefusalCause.TOKEN, "it cannot be read") from None
    _check(claims, nonce)
    return claims


def _key_of(token: str) -> jwt.PyJWK:
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError):
        raise SignInError(RefusalCause.TOKEN, "it cannot be read") from None
    if header.get("alg") not in ALGORITHMS:
        raise SignInError(RefusalCause.TOKEN, "its algorithm is not accepted")
    return provider_document.key_called(str(header.get("kid", "")))


def _refused(error: jwt.PyJWTError) -> SignInError:
    words = (text for kind, text in _FAULTS if isinstance(error, kind))
    return SignInError(RefusalCause.TOKEN, next(words, "it cannot be read"))


def _check(claims: dict[str, Any], nonce: str) -> None:
    """What the library does not look at."""
    if not constant_time_compare(str(claims.get("nonce", "")), nonce):
        raise SignInError(RefusalCause.TOKEN, "it is not for this sign-in (nonce)")
    party = claims.get("azp", settings.OIDC_CLIENT_ID)
    if party != settings.OIDC_CLIENT_ID:
        raise SignInError(RefusalCause.TOKEN, "it is for another client (azp)")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise SignInError(RefusalCause.TOKEN, f"sub: expected a text of up to {LONGEST_SUBJECT}")
    if not subject.isprintable():
        raise SignInError(RefusalCause.TOKEN, "sub: there is a control character in it")
