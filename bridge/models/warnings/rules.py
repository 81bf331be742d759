"""Rules: which warnings go where."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator, validate_email
from django.db import models

from bridge.keys import encryption
from bridge.models.backends import ENV, LONGEST_KEY, usable_credential
from bridge.models.base import ConfigRow, Document
from bridge.models.warnings.kinds import EVERYTHING, WARNING_KINDS
from bridge.routing import addresses

OWNER = "warning rules"
"""What the addresses and secrets of rules are sealed for."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - how Standard Webhooks mark a secret
SHORTEST_SECRET = 24
MOST_RECIPIENTS = 20
SEALED_COLUMNS = ("webhook", "secret")
_ENV_NAME = RegexValidator(r"^env:[A-Za-z_][A-Za-z0-9_]*$", "Write env:NAME.")


def warning_kinds() -> list[tuple[str, str]]:
    return [
        (EVERYTHING, "Everything below"),
        *((name, f"{kind.label} ({kind.default_words})") for name, kind in WARNING_KINDS.items()),
    ]


def usable_webhook(value: str) -> None:
    """An address, env:NAME, or either of them sealed. Raises ValidationError."""
    if value.startswith(encryption.PREFIX):
        return
    if value.startswith(ENV):
        _ENV_NAME(value)
    elif expected := addresses.problem(value, with_query=True):
        raise ValidationError(f"Expected {expected}.")
    elif len(value) > LONGEST_KEY:
        raise ValidationError(f"An address has at most {LONGEST_KEY} characters.")


def usable_secret(value: str) -> None:
    """Raises ValidationError."""
    usable_credential(value)
    if value.startswith((encryption.PREFIX, ENV)):
        return
    if len(value) < SHORTEST_SECRET:
        raise ValidationError(f"A secret has at least {SHORTEST_SECRET} characters.")
    try:
        secret_bytes(value)
    except ValueError:
        raise ValidationError(f"Behind {SECRET_PREFIX} stands base64.") from None


def usable_recipients(value: str) -> None:
    """Raises ValidationError."""
    lines = recipients_of(value)
    if len(lines) > MOST_RECIPIENTS:
        raise ValidationError(f"At most {MOST_RECIPIENTS} addresses.")
    for line in lines:
        try:
            validate_email(line)
        except ValidationError:
            raise ValidationError(f"{line[:100]!r} is no mail address.") from None


def recipients_of(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def secret_bytes(text: str) -> bytes:
    """The key that signs: base64 behind `whsec_`, else the text itself. Raises ValueError."""
    if not text.startswith(SECRET_PREFIX):
        return text.encode()
    try:
        return base64.b64decode(text.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


class WarningRule(ConfigRow):
    """One kind of warnings, or all of them, and where they go: to a webhook, or by mail.

    The webhook's address is sealed like the secret, for with many services it is one.
    """

    KIND = "warning_rules"
    NATURAL_KEY = ("name",)
    MEMBERS = {
        name: name
        for name in ("name", "what", "threshold", "webhook", "secret", "mail_to", "enabled")
    }

    name = models.CharField(max_length=100, unique=True)
    what = models.CharField("warn when", max_length=20, choices=warning_kinds, default=EVERYTHING)
    threshold = models.PositiveIntegerField(
        "from",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Percent, seconds or days. Empty: the numbers that stand behind the kind.",
    )
    webhook = models.CharField(
        max_length=2000,
        blank=True,
        default="",
        validators=[usable_webhook],
        help_text="An address that takes JSON by POST, or env:NAME. Stored encrypted.",
    )
    secret = models.CharField(
        "signing secret",
        max_length=2000,
        blank=True,
        default="",
        validators=[usable_secret],
        help_text="Signs what is sent to the webhook: whsec_ and base64, or env:NAME. Stored "
        "encrypted. Empty: not signed.",
    )
    mail_to = models.TextField(
        "mail to",
        blank=True,
        default="",
        validators=[usable_recipients],
        help_text="Addresses, one a line, in place of a webhook. Needs EMAIL_URL.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if bool(self.webhook) == bool(self.recipients):
            raise ValidationError({"webhook": "Expected a webhook, or else addresses for mail."})
        if self.secret and not self.webhook:
            raise ValidationError({"secret": "Only webhooks are signed."})
        self._check_threshold()

    def _check_threshold(self) -> None:
        if self.threshold is None:
            return
        kind = WARNING_KINDS.get(self.what)
        if kind is None:
            raise ValidationError({"threshold": "Kinds differ in this: name one, or no number."})
        if self.threshold > kind.most:
            raise ValidationError({"threshold": f"At most {kind.most} {kind.unit}."})

    def save(self, *args: Any, **kwargs: Any) -> None:
        stored = WarningRule.objects.filter(pk=self.pk).values(*SEALED_COLUMNS).first() or {}
        for column in SEALED_COLUMNS:
            value = getattr(self, column)
            if value and not value.startswith((ENV, encryption.PREFIX)):
                setattr(self, column, encryption.seal(value, OWNER, stored.get(column, "")))
        super().save(*args, **kwargs)

    # --- documents ---

    def take(self, column: str, value: Any) -> None:
        """Files may have addresses as a list."""
        if column == "mail_to":
            value = "\n".join(map(str, value)) if isinstance(value, list) else str(value or "")
        super().take(column, value)

    def in_file(self) -> Document:
        document = self.document()
        for column in SEALED_COLUMNS:
            if str(document.get(column, "")).startswith(encryption.PREFIX):
                del document[column]
        return document

    def from_file(self, document: Document) -> Document:
        """What is stored stays where the file does not name another destination."""
        if document.get("mail_to"):
            return document
        kept = {column: getattr(self, column) for column in SEALED_COLUMNS}
        return {name: value for name, value in kept.items() if value} | document

    # --- what it says ---

    def thresholds(self, what: str) -> tuple[int, ...]:
        """Where it warns of this kind; empty where it does not."""
        if self.what not in (what, EVERYTHING):
            return ()
        return WARNING_KINDS[what].thresholds if self.threshold is None else (self.threshold,)

    @property
    def recipients(self) -> list[str]:
        return recipients_of(self.mail_to)

    @property
    def address(self) -> str:
        """The webhook's address, "" for none. Raises encryption.UnsealError."""
        return _opened(self.webhook)

    @property
    def signing_secret(self) -> str:
        """Raises encryption.UnsealError."""
        return _opened(self.secret)

    @property
    def destination(self) -> str:
        """Where it sends, without what may be secret."""
        if self.recipients:
            return ", ".join(self.recipients)
        if self.webhook.startswith(ENV):
            return self.webhook
        try:
            return addresses.origin(self.address)
        except ValueError:
            return "an address that cannot be read"


def _opened(stored: str) -> str:
    if stored.startswith(ENV):
        return str(settings.BACKEND_SECRET(stored.removeprefix(ENV)))
    if stored.startswith(encryption.PREFIX):
        return encryption.unseal(stored, OWNER)
    return stored
