"""The targets in the form of an alias: where each leads, and which requests it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.forms import ModelForm, MultipleChoiceField
from django.http import HttpRequest
from unfold.admin import StackedInline
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from bridge.models import AliasTarget
from bridge.models.aliases import words
from bridge.routing import resolve
from bridge.routing.conditions import ALWAYS, Conditions
from bridge.routing.types import Alias, Routes, WeightedTarget
from bridge.translation.request.purpose import AGENT_TYPES, REQUEST_CLASSES

WITH_OR_WITHOUT = "with or without"
NOT_LISTED = "“{model}” is not in the list of {backend}: requests may fail there."
ALL_HAVE_CONDITIONS = (
    "Each target of “{pattern}” is only for some requests. A request that none of them takes is "
    "routed as if there were no such alias, and answered with 404 where its name leads nowhere "
    "else. A target without conditions, behind the others, would take it."
)
COMES_TOO_LATE = (
    "“{model}”, which is only for {conditions}, stands behind a target that takes every request: "
    "it serves only where that one cannot answer. A lower position puts it in front."
)
CONDITIONS = (
    "request_classes",
    "agent_types",
    "has_image",
    "asks_to_think",
    "prompt_above",
    "prompt_below",
)


class ClassesField(MultipleChoiceField):
    """Boxes to tick for the words of `AliasTarget.request_classes`; no box ticked: for all."""

    widget = UnfoldAdminCheckboxSelectMultipleWidget

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[(name, name) for name in REQUEST_CLASSES], **kwargs)

    def offer(self, names: tuple[str, ...]) -> None:
        """Offer these as well: a configuration file may name classes that are newer."""
        known = dict.fromkeys((*REQUEST_CLASSES, *names))
        self.choices = [(name, name) for name in known]

    def prepare_value(self, value: Any) -> Any:
        return list(words(value)) if isinstance(value, str) else value

    def clean(self, value: Any) -> str:
        return ", ".join(super().clean(self.prepare_value(value)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), self.prepare_value(data))


class TargetForm(ModelForm):  # type: ignore[type-arg]
    request_classes = ClassesField(
        label="Classes", required=False, help_text="What the request is for. None ticked: all."
    )

    class Meta:
        model = AliasTarget
        fields = ("backend", "model", "position", "weight", *CONDITIONS)
        labels = {
            "agent_types": "Agent types",
            "prompt_above": "Prompt above, tokens",
            "prompt_below": "Prompt below, tokens",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        classes = self.fields.get("request_classes")
        if isinstance(classes, ClassesField):
            classes.offer(words(self.instance.request_classes))
        for name in ("has_image", "asks_to_think"):
            if name in self.fields:
                field: Any = self.fields[name]
                field.choices = [("", WITH_OR_WITHOUT), *field.choices[1:]]
        if "agent_types" in self.fields:
            suggested = ", ".join(AGENT_TYPES[:2])
            self.fields["agent_types"].widget.attrs["placeholder"] = suggested

    @property
    def conditions(self) -> str:
        """The conditions in words, "" for none."""
        return ", ".join(self.instance.conditions.labels())

    @property
    def has_wrong_condition(self) -> bool:
        return any(name in self.errors for name in CONDITIONS)


class TargetInline(StackedInline):
    model = AliasTarget
    form = TargetForm
    template = "bridge/admin/alias_targets.html"
    extra = 0
    min_num = 1
    verbose_name_plural = "Where it leads"
    fieldsets = (
        (None, {"fields": ("backend", "model", "position", "weight")}),
        ("Conditions", {"fields": CONDITIONS}),
    )

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """An alias without a target would lead nowhere."""
        return super().get_formset(request, obj, validate_min=True, **kwargs)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A plain choice of the backend, read once for all rows; model names are suggested."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "backend":
            field.choices = list(field.choices)
            plain: Any = field.widget
            plain.can_add_related = plain.can_change_related = plain.can_view_related = False
        elif db_field.name == "model":
            field.widget.attrs |= {"list": "gw-models", "autocomplete": "off"}
        return field


def warnings(routes: Routes, alias: Alias) -> Iterator[str]:
    """What an operator should know of an alias that is saved: where its requests may fail."""
    for target in resolve.targets_of(routes, alias):
        if not target.is_listed:
            yield NOT_LISTED.format(model=target.model, backend=target.backend.name)
    if all(choice.conditions != ALWAYS for choice in alias.choices):
        yield ALL_HAVE_CONDITIONS.format(pattern=alias.pattern)
    for choice in _too_late(alias.choices):
        conditions = ", ".join(choice.conditions.labels())
        yield COMES_TOO_LATE.format(model=choice.model, conditions=conditions)


def _too_late(choices: Sequence[WeightedTarget]) -> Iterator[WeightedTarget]:
    """Those with conditions whose group comes behind the one without."""
    positions: dict[Conditions, int] = {}
    for choice in choices:
        known = positions.get(choice.conditions, choice.position)
        positions[choice.conditions] = min(known, choice.position)
    for choice in choices:
        if positions.get(ALWAYS, choice.position) < positions[choice.conditions]:
            yield choice
