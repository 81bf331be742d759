"""Who may read the metrics."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from bridge.keys.authentication import KeyPolicy, is_loopback, presented
from bridge.process_settings import AccessSettings
from bridge.translation.errors.api_error import ApiError

OFF = "Metrics are off in this gateway (setting METRICS_ACCESS)"
ONLY_LOCAL = "Metrics are served to loopback addresses only (setting METRICS_ACCESS)"
UNAUTHORIZED = "Metrics need the token of this gateway: send Authorization: Bearer (METRICS_TOKEN)"


def check_access(
    settings: AccessSettings, policy: KeyPolicy, headers: Mapping[str, str], address: str
) -> None:
    """Raise an ApiError unless METRICS_ACCESS lets this request in. `address` is the server's."""
    access = settings.metrics_access
    if access == "off":
        raise ApiError(404, OFF)
    if access == "local" and not (policy.bound_to_loopback and is_loopback(address)):
        raise ApiError(403, ONLY_LOCAL)
    if access == "key" and not any(
        _is_token(given, settings.metrics_token) for given in presented(headers)
    ):
        raise ApiError(401, UNAUTHORIZED, headers={"www-authenticate": "Bearer"})


def _is_token(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())
