"""Names: which backends' models an alias stands for, and what tools are called."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from bridge.models.backends import Backend
from bridge.models.base import ConfigRow, Document, Origin
from bridge.routing.conditions import Conditions
from bridge.translation import safeguards
from bridge.translation.request.overrides import ABSENT_THINKING, NOT_EXTRA, THINKING
from bridge.translation.request.purpose import REQUEST_CLASSES, WORD

NO_OBJECT = 'A JSON object, such as {"min_p": 0.1}.'
NO_JSON = "JSON has no NaN and no Infinity."
UNUSABLE_TEXT = "A text in it has a null character or half of a surrogate pair."


def check_extra(fields: Any) -> None:
    """Extra fields are an object, and none of those that the translation sets. ValidationError."""
    if not isinstance(fields, dict):
        raise ValidationError(NO_OBJECT)
    if refused := sorted(NOT_EXTRA & fields.keys()):
        raise ValidationError(f"The gateway sets these itself: {', '.join(refused)}.")
    _check_json(fields)


def _check_json(fields: Any) -> None:
    """What a database and a backend can read. What is no JSON at all is refused elsewhere."""
    try:
        text = json.dumps(fields, allow_nan=False, ensure_ascii=False, default=str)
    except ValueError:
        raise ValidationError(NO_JSON) from None
    has_null = "\\u0000" in text.replace("\\\\", "")
    if has_null or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValidationError(UNUSABLE_TEXT)


def check_safeguards(chosen: str) -> None:
    """Raises ValidationError."""
    try:
        safeguards.normalized(chosen)
    except ValueError:
        raise ValidationError(f"Expected {safeguards.EXPECTED}.") from None


class ModelAlias(ConfigRow):
    """A model name that clients use. Its targets say which backends' models are behind it."""

    KIND = "aliases"
    NATURAL_KEY = ("pattern",)
    MEMBERS = {
        "pattern": "pattern",
        "thinking": "thinking",
        "thinking_when_absent": "thinking_when_absent",
        "temperature": "temperature",
        "max_tokens": "max_tokens",
        "system_prefix": "system_prefix",
        "extra": "extra",
        "safeguards": "safeguards",
        "enabled": "enabled",
    }

    pattern = models.CharField(
        max_length=200,
        unique=True,
        help_text="The name, or a glob such as claude-* or *haiku*. * catches every other name.",
    )
    thinking = models.CharField(
        max_length=10,
        blank=True,
        default="",
        choices=[(name, name) for name in THINKING],
        help_text="Whether and how hard the model thinks. Empty: as in the request.",
    )
    thinking_when_absent = models.CharField(
        "thinking when absent",
        max_length=10,
        blank=True,
        default="",
        choices=[(name, name) for name in ABSENT_THINKING],
        help_text="What a request without a word on thinking means: off, or leave it to the model. "
        "Empty: off for Claude Code, which says when it wants thinking; for others, leave.",
    )
    temperature = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(2)],
        help_text="From 0 to 2, whatever the request has. Empty: as in the request.",
    )
    max_tokens = models.PositiveIntegerField(
        "longest answer",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Tokens. A request that asks for more gets this many. Empty: as in the request.",
    )
    system_prefix = models.TextField(
        blank=True, default="", help_text="Put in front of every system prompt."
    )
    extra = models.JSONField(
        "extra fields",
        default=dict,
        blank=True,
        validators=[check_extra],
        help_text="A JSON object whose members are added to every request to the backend, such as "
        '{"min_p": 0.1, "chat_template_kwargs": {"preserve_thinking": true}}.',
    )
    safeguards = models.CharField(
        "verdicts for auto mode",
        max_length=300,
        blank=True,
        default="",
        validators=[check_safeguards],
        help_text="What Claude Code's auto mode is answered when it asks for verdicts on tool "
        "calls: unavailable, so that it checks by itself; off for nothing; or judge: MODEL, so "
        "that this model, a name that clients could use, judges each call. Empty: as the setting "
        "SAFEGUARDS says.",
    )
    enabled = models.BooleanField(default=True)
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["pattern"]
        verbose_name = "alias"
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.pattern

    def clean(self) -> None:
        # A field's validators do not see an empty value, and [] is one.
        if not isinstance(self.extra, dict):
            raise ValidationError({"extra": NO_OBJECT})
        if self.safeguards:
            self.safeguards = safeguards.normalized(self.safeguards)

    def document(self) -> Document:
        pattern, *rest = super().document().items()
        targets = self.targets.select_related("backend")
        return dict([pattern, ("targets", [row.document() for row in targets]), *rest])

    def fill_parts(self, document: Document) -> None:
        """Targets in the order in which they are asked. ValidationError: by ``targets[i].name``."""
        backends = {row.name: row for row in Backend.objects.all()}
        rows = [
            self._target(f"targets[{place}]", target, backends.get(target["backend"]))
            for place, target in enumerate(document["targets"])
        ]
        rows.sort(key=lambda row: (row.position, -row.weight))
        stored = [row.document() for row in self.targets.select_related("backend")]
        if [row.document() for row in rows] != stored:
            self.targets.all().delete()
            for row in rows:
                row.save()

    def _target(self, place: str, document: Document, backend: Backend | None) -> AliasTarget:
        if backend is None:
            raise ValidationError({place: f"no backend is called {document['backend']}"})
        row = AliasTarget(alias=self, backend=backend)
        try:
            row.fill(document)
            row.full_clean()
        except ValidationError as error:
            members = {column: member for member, column in AliasTarget.MEMBERS.items()}
            wrong = [(members.get(name, name), v) for name, v in error.message_dict.items()]
            raise ValidationError({f"{place}.{name}": texts for name, texts in wrong}) from None
        return row


def check_words(value: str) -> None:
    """Words with commas between them, each as a header may have it. ValidationError."""
    for word in words(value):
        if not WORD.fullmatch(word):
            raise ValidationError(f"{word[:40]}: no such word can stand in a request.")


def words(value: str) -> tuple[str, ...]:
    """The words of a list that is written with commas."""
    return tuple(filter(None, (word.strip() for word in value.split(","))))


def _condition(label: str, help_text: str) -> models.CharField[Any, Any]:
    return models.CharField(
        label,
        max_length=200,
        blank=True,
        default="",
        validators=[check_words],
        help_text=help_text,
    )


def _tokens(label: str, help_text: str) -> models.PositiveIntegerField[Any, Any]:
    return models.PositiveIntegerField(
        label, null=True, blank=True, validators=[MinValueValidator(1)], help_text=help_text
    )


class AliasTarget(ConfigRow):
    """One of the models that an alias stands for, and which requests it takes.

    Those of the lowest position share the requests by weight; the next ones are for when they fail.
    """

    MEMBERS = {
        "model": "model",
        "weight": "weight",
        "position": "position",
        "classes": "request_classes",
        "agent_types": "agent_types",
        "has_image": "has_image",
        "asks_to_think": "asks_to_think",
        "prompt_above": "prompt_above",
        "prompt_below": "prompt_below",
    }
    LISTS = ("request_classes", "agent_types")
    """Columns that hold words with commas between them; a list in the document."""

    alias = models.ForeignKey(ModelAlias, on_delete=models.CASCADE, related_name="targets")
    backend = models.ForeignKey(Backend, on_delete=models.CASCADE, related_name="targets")
    model = models.CharField(max_length=300, help_text="The model's name at the backend.")
    weight = models.PositiveIntegerField(
        default=1, help_text="Share of the requests among targets of one position."
    )
    position = models.PositiveIntegerField(
        default=0, help_text="0 comes first; higher ones when those before cannot answer."
    )
    request_classes = _condition(
        "only for classes",
        f"Of {', '.join(REQUEST_CLASSES)}; with commas between several. Empty: for all.",
    )
    agent_types = _condition(
        "only for agent types",
        "Kinds of sub-agents, such as Explore or general-purpose. Empty: for all.",
    )
    has_image = models.BooleanField(
        "image",
        null=True,
        blank=True,
        choices=((True, "only with an image"), (False, "only without")),
        help_text="Whether the conversation holds an image.",
    )
    asks_to_think = models.BooleanField(
        "thinking",
        null=True,
        blank=True,
        choices=((True, "only with thinking"), (False, "only without")),
        help_text="Whether the client asks the model to think.",
    )
    prompt_above = _tokens(
        "prompt above", "Only prompts of this many tokens or more, as the gateway estimates them."
    )
    prompt_below = _tokens("prompt below", "Only prompts of fewer tokens than this.")

    class Meta:
        ordering = ["position", "-weight", "pk"]
        verbose_name = "target"

    def __str__(self) -> str:
        return f"{self.backend}: {self.model}"

    @property
    def conditions(self) -> Conditions:
        """What a request must be for this target to take it."""
        return Conditions(
            words(self.request_classes),
            words(self.agent_types),
            self.has_image,
            self.asks_to_think,
            self.prompt_above,
            self.prompt_below,
        )

    def clean(self) -> None:
        above, below = self.prompt_above, self.prompt_below
        if above is not None and below is not None and above >= below:
            raise ValidationError({"prompt_below": "No prompt is above the one and below this."})

    def affected(self) -> Iterable[ConfigRow]:
        return (self.alias,)

    def document(self) -> Document:
        members = super().document()
        lists = {name for name in members if self.MEMBERS[name] in self.LISTS}
        shown = {name: list(words(v)) if name in lists else v for name, v in members.items()}
        return {"backend": self.backend.name, **shown}

    def fill(self, document: Document) -> None:
        super().fill({name: value for name, value in document.items() if name != "backend"})

    def take(self, column: str, value: Any) -> None:
        if column in self.LISTS:
            items = [value] if isinstance(value, str) else value
            if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
                raise ValidationError({column: "Expected a list of words."})
            value = ", ".join(words(",".join(items)))
        super().take(column, value)


class ToolNameMap(ConfigRow):
    """A tool that the backend's model calls by another name than the client."""

    KIND = "tool_names"
    NATURAL_KEY = ("model", "backend_name")
    MEMBERS = {
        "model": "model_pattern",
        "backend_name": "backend_name",
        "client_name": "client_name",
    }

    backend_name = models.CharField(max_length=128, help_text="The name at the backend.")
    client_name = models.CharField(max_length=128, help_text="The name in the client's request.")
    model_pattern = models.CharField(
        max_length=200, default="*", help_text="For which models: a name or a glob."
    )
    origin = models.CharField(
        max_length=12, choices=Origin, default=Origin.OPERATOR, editable=False
    )

    class Meta:
        ordering = ["model_pattern", "backend_name"]
        verbose_name = "tool name"
        constraints = [
            models.UniqueConstraint(
                fields=["backend_name", "model_pattern"], name="one_row_per_tool_and_model"
            )
        ]

    def __str__(self) -> str:
        return f"{self.backend_name} -> {self.client_name}"
