"""One mail, through Django's mail and the server of EMAIL_URL. For threads."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence

from django.conf import settings
from django.core.mail import EmailMessage

from bridge.warnings.delivery_error import DeliveryError
from bridge.warnings.messages import WarningMessage
from bridge.warnings.words import plain

LONGEST_SUBJECT = 150
NO_SERVER = "EMAIL_URL is not set"
_SMTP_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (smtplib.SMTPAuthenticationError, "the mail server refused the user or password"),
    (smtplib.SMTPSenderRefused, "the mail server refused the sender"),
    (smtplib.SMTPRecipientsRefused, "the mail server refused all recipients"),
    (smtplib.SMTPDataError, "the mail server refused the mail"),
    (smtplib.SMTPServerDisconnected, "the mail server hung up"),
    (smtplib.SMTPException, "the mail server refused"),
)


def send(message: WarningMessage, recipients: Sequence[str]) -> None:
    """Send to all of them, each in view of the others. Raises DeliveryError."""
    if not settings.EMAIL_URL:
        raise DeliveryError(NO_SERVER)
    mail = EmailMessage(
        subject=plain(f"[gateway] {message.text}", LONGEST_SUBJECT),
        body=body_of(message),
        to=list(recipients),
        # The same at each try, so that a mail that came twice can be known as one.
        headers={
            "Message-ID": f"<{message.id}@warnings.gateway>",
            "Auto-Submitted": "auto-generated",
        },
    )
    try:
        mail.send()
    except (OSError, ValueError) as error:
        raise DeliveryError(_reason(error)) from None


def body_of(message: WarningMessage) -> str:
    """The text of a mail: the sentence, the numbers, and what tells it from others."""
    numbers = [f"{name}: {plain(str(value))}" for name, value in message.numbers.items()]
    about = [f"{message.type}, {message.at}, {message.id}", message.link]
    return "\n".join([message.text, "", *numbers, "", *filter(None, about), ""])


def _reason(error: Exception) -> str:
    code = getattr(error, "smtp_code", None)
    for kind, words in _SMTP_ERRORS:
        if isinstance(error, kind):
            return f"{words} (status {code})" if isinstance(code, int) else words
    if isinstance(error, TimeoutError):
        return f"no answer within {settings.EMAIL_TIMEOUT:g} s"
    if isinstance(error, ssl.SSLError):
        return "TLS with the mail server failed"
    if isinstance(error, OSError):
        return (error.strerror or "no connection").lower()  # the system's words, no server's
    return "no mail can be made of it"
