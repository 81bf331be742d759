"""Backends, the models that they list, and the state of their circuit breakers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models

from bridge.keys import encryption
from bridge.models.base import ConfigRow, Document, Origin
from bridge.routing import addresses
from bridge.translation.profiles import PROFILES

ENV = "env:"
OTHER_SERVER = "Enter the key again: the new address is another server."
LONGEST_KEY = 1400
"""Characters. Sealed, it still fits into its column."""


def families() -> list[tuple[str, str]]:
    return [("auto", "Detect"), *((name, name) for name in PROFILES)]


def model_families() -> list[tuple[str, str]]:
    return [(name, name) for name in PROFILES]


def usable_address(value: str) -> None:
    if expected := addresses.problem(value):
        raise ValidationError(f"Expected {expected}.")


def usable_credential(value: str) -> None:
    if value.startswith(ENV):
        RegexValidator(r"^env:[A-Za-z_][A-Za-z0-9_]*$", "Write env:NAME.")(value)
    elif not (value.isascii() and value.isprintable()) or " " in value:
        raise ValidationError("A key is printable ASCII without spaces.")
    elif not value.startswith(encryption.PREFIX) and len(value) > LONGEST_KEY:
        raise ValidationError(f"A key has at most {LONGEST_KEY} characters.")


class BreakerMode(models.TextChoices):
    AUTOMATIC = "automatic", "Automatic"
    OPEN = "open", "Forced open"
    CLOSED = "closed", "Forced closed"


class Backend(ConfigRow):
    """One OpenAI-compatible server."""

    KIND = "backends"
    NATURAL_KEY = ("name",)
    MEMBERS = {
        "name": "name",
        "url": "url",
        "family": "family",
        "api_key": "credential",
        "auth_header": "auth_header",
        "timeout_seconds": "timeout_seconds",
        "idle_seconds": "idle_seconds",
        "position": "position",
        "weight": "weight",
        "breaker": "breaker_mode",
        "prefers_own_cost": "prefers_own_cost",
        "enabled": "enabled",
    }

    name = models.SlugField(unique=True, help_text="Short name, used in aliases and reports.")
    url = models.CharField(
        "base URL",
        max_length=500,
        validators=[usable_address],
        help_text="With its version folder, e.g. https://llm.example.com/v1.",
    )
    family = models.CharField(
        max_length=20,
        choices=families,
        default="auto",
        help_text="The server's family. Detected from its model list and address when left alone.",
    )
    credential = models.CharField(
        "API key",
        max_length=2000,
        blank=True,
        default="",
        validators=[usable_credential],
        help_text="env:NAME takes the key from that environment variable; a key is stored "
        "encrypted. Empty: callers' keys are passed on.",
    )
    auth_header = models.CharField(
        max_length=60,
        default="authorization",
        validators=[RegexValidator(r"^[A-Za-z0-9-]+$", "Not a header name.")],
        help_text="Header that carries the key; authorization sends it as a bearer token.",
    )
    timeout_seconds = models.PositiveIntegerField(
        default=600,
        validators=[MinValueValidator(1)],
        help_text="Longest wait for an answer to begin; whole answers if not streamed.",
    )
    idle_seconds = models.PositiveIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Longest silence in a running stream. Empty: as IDLE_TIMEOUT says.",
    )
    position = models.PositiveIntegerField(
        default=0,
        help_text="Backends get requests for a model in this order; equal ones share by weight.",
    )
    weight = models.PositiveIntegerField(
        default=1,
        help_text="Share of the requests, among backends of one position that list a model.",
    )
    breaker_mode = models.CharField(
        "circuit breaker",
        max_length=10,
        choices=BreakerMode,
        default=BreakerMode.AUTOMATIC,
        help_text="Forced open: nothing is sent. Forced closed: failures do not open it.",
    )
    prefers_own_cost = models.BooleanField(
        "prefer its own cost",
        default=False,
        help_text="Where it reports what a request cost (usage.cost), that counts, and no price. "
        "Without a price it counts in any case.",
    )
    enabled = models.BooleanField(default=True)
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """A full chat address is as good as a base address."""
        if self.url and not addresses.problem(self.url):
            self.url = addresses.base_url(self.url)
            self._check_key_is_for_this_server()

    def _check_key_is_for_this_server(self) -> None:
        """A key that nobody can read must not be sent to an address of somebody's choice."""
        stored = Backend.objects.filter(pk=self.pk).values_list("url", "credential").first()
        url, credential = stored or ("", "")
        kept = credential == self.credential and credential.startswith(encryption.PREFIX)
        if kept and addresses.origin(url) != self.server:
            raise ValidationError({"credential": OTHER_SERVER})

    @property
    def server(self) -> str:
        """The server that its key is for."""
        return addresses.origin(self.url)

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.credential and not self.credential.startswith((ENV, encryption.PREFIX)):
            known = Backend.objects.filter(pk=self.pk).values_list("credential", flat=True)
            self.credential = encryption.seal(self.credential, self.server, known.first() or "")
        super().save(*args, **kwargs)

    def affected(self) -> Iterable[ConfigRow]:
        """Itself, and what names it: aliases, settings of its models, and prices."""
        yield self
        if self.pk:
            for target in self.targets.select_related("alias"):
                yield target.alias
            yield from self.models.filter(DiscoveredModel.with_overrides())
            yield from self.operator_prices.select_related("backend")

    @property
    def key_hint(self) -> str:
        """What may be shown of the credential."""
        if self.credential.startswith(ENV):
            return self.credential
        return "stored, encrypted" if self.credential else "callers' keys"


class DiscoveredModel(ConfigRow):
    """A model that a backend listed: what its list says, what a probe found, what an operator set.

    Three answers to each question, the operator's first and the list's last. Empty is "unknown".
    """

    KIND = "models"
    NATURAL_KEY = ("backend", "model")
    MEMBERS = {
        "backend": "backend_name",
        "model": "name",
        "context": "context_override",
        "max_output": "max_output_override",
        "vision": "vision_override",
        "tools": "tools_override",
        "reasoning": "reasoning_override",
        "family": "family",
        "inline_thinking": "inline_thinking",
        "written_calls": "written_calls",
        "reasoning_turns": "reasoning_turns",
    }
    LOOKUPS = {"backend_name": "backend__name"}
    FACTS = ("context", "max_output", "vision", "tools", "reasoning")

    backend = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="models")
    name = models.CharField(max_length=300)

    context = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens.")
    max_output = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens.")
    vision = models.BooleanField(null=True, blank=True)
    tools = models.BooleanField(null=True, blank=True)
    reasoning = models.BooleanField(null=True, blank=True)
    prices = models.JSONField(
        default=dict, blank=True, help_text="USD per million tokens, as its list tells them."
    )

    context_override = models.PositiveIntegerField("context", null=True, blank=True)
    max_output_override = models.PositiveIntegerField("longest answer", null=True, blank=True)
    vision_override = models.BooleanField("images", null=True, blank=True)
    tools_override = models.BooleanField("tools", null=True, blank=True)
    reasoning_override = models.BooleanField("thinking", null=True, blank=True)
    family = models.CharField(
        max_length=20,
        choices=model_families,
        blank=True,
        default="",
        help_text="The family of this model alone, where it differs from its backend's.",
    )
    inline_thinking = models.CharField(
        max_length=5,
        choices=[("off", "No"), ("tags", "Between <think> tags"), ("open", "From the start on")],
        blank=True,
        default="",
        help_text="Whether thinking stands in the text. Empty: known from the model's name.",
    )
    written_calls = models.BooleanField(
        null=True,
        blank=True,
        help_text="Read tool calls that the model writes as text. Empty: as TEXT_TOOL_CALLS says.",
    )

    reasoning_turns = models.CharField(
        "earlier reasoning",
        max_length=6,
        choices=[
            ("none", "Not sent back"),
            ("recent", "Of tool calls since the last question"),
            ("tools", "Of all tool calls"),
            ("all", "Of all turns"),
        ],
        blank=True,
        default="",
        help_text="Whose earlier thinking is sent back. Empty: as the family reads it.",
    )

    probed = models.JSONField(
        default=dict, blank=True, help_text="What the probe found, by the names of the facts."
    )
    evidence = models.JSONField(
        default=list, blank=True, help_text="Each check of the probe, with what showed it."
    )
    probed_at = models.DateTimeField(null=True, blank=True)

    entry = models.JSONField(
        default=dict, blank=True, help_text="The backend's own entry, as last seen."
    )
    listed = models.BooleanField(default=True, help_text="In the backend's list when last read.")

    class Meta:
        ordering = ["name"]
        verbose_name = "model"
        constraints = [
            models.UniqueConstraint(fields=["backend", "name"], name="one_row_per_model")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def backend_name(self) -> str:
        return self.backend.name

    @classmethod
    def _overrides(cls) -> Iterator[tuple[str, str]]:
        """What the operator may set: member of the document, column."""
        return ((m, column) for m, column in cls.MEMBERS.items() if m not in cls.NATURAL_KEY)

    @classmethod
    def with_overrides(cls) -> models.Q:
        """Those that the operator has set something of."""
        overridden = models.Q(pk__in=())
        for _, column in cls._overrides():
            is_text = isinstance(cls._meta.get_field(column), models.CharField)
            overridden |= ~models.Q(**{column: ""}) if is_text else ~models.Q(**{column: None})
        return overridden

    def fact(self, name: str) -> Any:
        """The answer that counts: the operator's, else the probe's, else the list's."""
        for value in (getattr(self, f"{name}_override"), self.probed.get(name)):
            if value is not None:
                return value
        return getattr(self, name)

    def document(self) -> Document:
        """What the operator set; empty when that is nothing."""
        overrides = {}
        for member, column in self._overrides():
            value = getattr(self, column)
            if value not in (None, ""):
                overrides[member] = value
        # The name of the backend is a query, and discovery writes hundreds of rows at a time.
        return {"backend": self.backend_name, "model": self.name, **overrides} if overrides else {}

    def fill(self, document: Document) -> None:
        if self.pk is None:
            backend = Backend.objects.filter(name=document["backend"]).first()
            if backend is None:
                raise ValidationError({"backend": f"no backend is called {document['backend']}"})
            self.backend = backend
            self.name = document["model"]
            self.listed = False
        for member, column in self._overrides():
            setattr(self, column, document.get(member, self.default(column)))

    def remove(self) -> None:
        """The model stays; what the operator set goes."""
        self.fill({})
        self.save()


class BreakerState(models.Model):
    """The state of one backend's circuit breaker, for all processes. Moments by the wall clock.

    number     grows with every report; a process takes over what is newer than what it knows
    identity   digest of the address and credential that all this is about
    rests      model, or model and caller -> until when it is left alone, in seconds of the epoch
    """

    backend = models.OneToOneField(Backend, on_delete=models.CASCADE, related_name="breaker")
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True)
    number = models.PositiveBigIntegerField(default=0)
    identity = models.CharField(max_length=64, blank=True, default="")
    reachable = models.BooleanField(null=True)
    rests = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"{self.backend}: {'open' if self.opened_at else 'closed'}"
