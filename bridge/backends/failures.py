"""What can go wrong on the way to a backend: one table from exceptions to causes.

A client reads a short sentence without names and addresses. An operator reads the cause as well:
in the log, as a backend's last error, as the result of a test and on the record of a request.

Some causes lie in this machine and not in the backend: no file descriptor left, no memory, no
network. They never count for the backend's circuit breaker.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
from dataclasses import dataclass

import httpx

from bridge.outbound.errors import (
    AddressError,
    CertificateError,
    ClosedError,
    ConnectError,
    ConnectTimeoutError,
    HandshakeError,
    IncompleteError,
    NotHttpError,
    OutboundError,
    ProxyError,
    ResolveError,
)
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.redaction import redact
from bridge.translation.response.message_stream import CUT_SHORT

UNREACHABLE = "Could not reach the backend"
CONNECT_TIMEOUT = "Backend connection timed out"
UNREADABLE = "Backend returned an unreadable reply"
SHORTAGE = "Gateway could not open a connection to the backend"
MAX_DETAIL = 120
"""Characters of an exception's own text that are kept."""
SHORTAGE_RETRY_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """One class of failure: what operators read, and what it means for the request.

    words         for operators;  message: the sentence that clients get
    retryable     nothing was sent, so the same backend may be tried again
    unreachable   no connection came about, so other requests will fare no better
    """

    words: str
    message: str = UNREACHABLE
    status: int = 502
    retryable: bool = False
    unreachable: bool = False
    is_local: bool = False

    def error(self, detail: str = "") -> ApiError:
        cause = f"{self.words}: {detail}" if detail else self.words
        if self.is_local:
            return ApiError(
                529, f"{self.message}: {detail}", retry_after=SHORTAGE_RETRY_SECONDS, cause=cause
            )
        error = ApiError.bad_gateway(self.message, retryable=self.retryable)
        if self.status != error.status:
            error = ApiError(
                self.status, self.message, blames_backend=True, retryable=self.retryable
            )
        error.cause, error.unreachable = cause, self.unreachable
        return error


# A second attempt at a connection that timed out would only wait as long again.
TIMED_OUT = Cause("no answer to the connection attempt", CONNECT_TIMEOUT, 504, unreachable=True)
DNS = Cause("host name does not resolve", retryable=True, unreachable=True)
REFUSED = Cause("connection refused", retryable=True, unreachable=True)
NO_HOST = Cause("host is unreachable", retryable=True, unreachable=True)
UNTRUSTED = Cause("TLS certificate is not trusted", retryable=True, unreachable=True)
OTHER_NAME = Cause("TLS certificate is for another name", retryable=True, unreachable=True)
HANDSHAKE = Cause("TLS handshake failed", retryable=True, unreachable=True)
NO_TUNNEL = Cause("the proxy of BACKEND_PROXY opens no way", retryable=True, unreachable=True)
NO_CONNECTION = Cause("no connection", retryable=True, unreachable=True)
ADDRESS = Cause("address is not usable")
# From here on the request was on its way and may be worked on, so it is not sent twice.
RESET = Cause("connection was reset")
CLOSED = Cause("connection was closed without a reply")
GARBAGE = Cause("reply is not HTTP", UNREADABLE)
TLS_PORT = Cause("the port speaks TLS, the address says http", UNREADABLE)
INCOMPLETE = Cause("body is incomplete", CUT_SHORT)
BROKEN = Cause("connection failed")
LOCAL = Cause("shortage on the gateway's machine", SHORTAGE, is_local=True)

LOCAL_ERRNOS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOMEM,
        errno.ENOBUFS,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EADDRNOTAVAIL,
    }
)
"""What the own machine lacks. EHOSTUNREACH is not among them: a router reports a dead host so."""
WRONG_NAME = frozenset({62, 64})
"""OpenSSL's codes of certificates that are good, but for another name or address."""
TLS_ALERT = r"b'\x15\x03"
"""How the HTTP client quotes a reply that begins with an alert of TLS."""
ANY = frozenset[int]()

_TABLE: tuple[tuple[type[BaseException], frozenset[int], Cause], ...] = (
    (ConnectTimeoutError, ANY, TIMED_OUT),
    (CertificateError, WRONG_NAME, OTHER_NAME),
    (CertificateError, ANY, UNTRUSTED),
    (HandshakeError, ANY, HANDSHAKE),
    (ssl.SSLError, ANY, HANDSHAKE),
    (ProxyError, ANY, NO_TUNNEL),
    (OSError, LOCAL_ERRNOS, LOCAL),
    (ResolveError, ANY, DNS),
    (ConnectError, frozenset({errno.ECONNREFUSED}), REFUSED),
    (ConnectError, frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN}), NO_HOST),
    (ConnectError, ANY, NO_CONNECTION),
    (OSError, frozenset({errno.ECONNRESET, errno.EPIPE}), RESET),
    (ClosedError, ANY, CLOSED),
    (NotHttpError, ANY, GARBAGE),
    (IncompleteError, ANY, INCOMPLETE),
    (AddressError, ANY, ADDRESS),
    (httpx.InvalidURL, ANY, ADDRESS),
    (OutboundError, ANY, BROKEN),
    (OSError, ANY, BROKEN),
)
"""The first row whose class and number fit decides. The number is an errno, or OpenSSL's code for
a certificate."""

NETWORK_ERRORS = (OutboundError, httpx.InvalidURL, OSError)


def to_error(error: BaseException, secrets: tuple[str, ...] = ()) -> ApiError:
    """The ApiError for what the HTTP client raised."""
    if isinstance(error, ResolveError) and (spare := _no_descriptor()):
        # Without a descriptor the resolver cannot read its files, and fails with any error.
        return LOCAL.error(spare)
    cause = cause_of(error)
    detail = _detail(error, _number(error))
    if cause is GARBAGE and TLS_ALERT in detail:
        cause, detail = TLS_PORT, ""
    return cause.error(_tidy(detail, secrets))


def cause_of(error: BaseException) -> Cause:
    """The class of failure of one of NETWORK_ERRORS."""
    number = _number(error)
    return next(
        cause
        for kind, numbers, cause in _TABLE
        if isinstance(error, kind) and (not numbers or number in numbers)
    )


def _no_descriptor() -> str:
    """The reason why no file can be opened, "" when one can."""
    try:
        with socket.socket():
            return ""
    except OSError as error:
        return os.strerror(error.errno or errno.EMFILE)


def _number(origin: BaseException) -> int:
    """An errno, or OpenSSL's code for a certificate; 0 for none."""
    if isinstance(origin, CertificateError):
        return origin.code
    number = getattr(origin, "errno", None)
    return (
        number
        if isinstance(number, int)
        else _common_number(str(getattr(origin, "os_error", origin)))
    )


def _common_number(text: str) -> int:
    """Of a host with several addresses: the errno that is the backend's, if any is."""
    numbers = [int(found) for found in re.findall(r"\[Errno ([0-9]{1,4})\]", text[:2000])]
    return next((n for n in numbers if n not in LOCAL_ERRNOS), numbers[0] if numbers else 0)


def _detail(origin: BaseException, number: int) -> str:
    """The exception's own words, less what the cause says already."""
    if isinstance(origin, CertificateError):
        return origin.words
    if isinstance(origin, ResolveError):
        return origin.os_error.strerror or str(origin.os_error)
    if isinstance(origin, (HandshakeError, ssl.SSLError)):
        reason = getattr(getattr(origin, "os_error", origin), "reason", None)
        return str(reason or origin).replace("_", " ").lower()
    if isinstance(origin, (ConnectTimeoutError, ClosedError)):
        return ""
    if isinstance(origin, OSError) and number:
        return "" if number in (errno.ECONNREFUSED, errno.ECONNRESET) else os.strerror(number)
    return str(origin)


def _tidy(text: str, secrets: tuple[str, ...]) -> str:
    """One printable line, short and without secrets."""
    line = " ".join(text[:1000].split())
    printable = "".join(c if c.isprintable() else "?" for c in line)
    return redact(printable, secrets)[:MAX_DETAIL].strip()
