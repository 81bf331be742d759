"""What can go wrong between a request and the end of its reply. Beside these, only OSError."""

from __future__ import annotations

import ssl


class OutboundError(Exception):
    """Any of them."""


class AddressError(OutboundError):
    """The address cannot be asked, or a header line cannot be sent."""


class ConnectTimeoutError(OutboundError):
    """No connection came about within the time that it may take."""


class SilentError(OutboundError):
    """No head of a reply came within the time that it may take."""


class ConnectError(OutboundError, OSError):
    """No connection came about, for the reason in `os_error`."""

    def __init__(self, os_error: OSError) -> None:
        super().__init__(os_error.errno, os_error.strerror)
        self.os_error = os_error

    def __str__(self) -> str:
        return str(self.os_error)


class ProxyError(ConnectError):
    """The forward proxy opened no tunnel. The text says why, and may quote the proxy."""

    def __init__(self, words: str) -> None:
        super().__init__(OSError(words))


class ResolveError(ConnectError):
    """The name of the host has no address."""


class HandshakeError(ConnectError):
    """TLS could not be agreed on."""


class CertificateError(HandshakeError):
    """The server's certificate is not good. `code` is OpenSSL's number of the reason."""

    def __init__(self, error: ssl.SSLCertVerificationError) -> None:
        super().__init__(error)
        self.code: int = getattr(error, "verify_code", 0)
        self.words: str = getattr(error, "verify_message", "")


class ClosedError(OutboundError):
    """The server closed before the head of a reply was there."""


class NotHttpError(OutboundError):
    """What came is no head of a reply. The text says why, and may quote the server."""


class IncompleteError(OutboundError):
    """The body of a reply broke off. The text says what is missing, if that is known."""


class TooMuchError(OutboundError):
    """The body is longer than whoever reads it will hold."""
