"""What is done to many keys at once: a form between the list and the rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
)

from bridge.models import ApiKey, Team
from bridge.models.people.keys import Period
from bridge.models.people.limit_columns import dollars_column

APPLY = "apply"
TOKENS = ("tokens_day", "tokens_week", "tokens_month")
NUMBERS = ("rpm", "tpm", "concurrent", *TOKENS)
LIMITS = (*NUMBERS, "budget_usd")


class BulkForm(forms.Form):
    """What to do to each row; `change` does it, unsaved. `title`, `verb` and `hint` are for
    the page."""

    title: ClassVar[str]
    verb: ClassVar[str]
    hint: ClassVar[str] = ""

    def change(self, row: ApiKey) -> None:
        raise NotImplementedError


class TeamForm(BulkForm):
    """The team that keys belong to from now on."""

    title = "Move keys to a team"
    verb = "Move"

    team = forms.ModelChoiceField(
        Team.objects.all(),
        required=False,
        empty_label="No team of their own",
        widget=UnfoldAdminSelectWidget,
        help_text="What they use counts for this team from their next request on.",
    )

    def change(self, row: ApiKey) -> None:
        row.team = self.cleaned_data["team"]


def _number(name: str) -> forms.IntegerField:
    label = str(ApiKey._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
    return forms.IntegerField(
        label=label.capitalize(),
        required=False,
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget,
    )


class LimitsForm(BulkForm):
    """Limits for each of the keys. What is left empty stays as each key has it."""

    title = "Set the limits of keys"
    verb = "Set"
    hint = "What is left empty stays as each key has it."

    rpm, tpm, concurrent = map(_number, ("rpm", "tpm", "concurrent"))
    budget_usd = dollars_column("budget", "USD").formfield(
        required=False, widget=UnfoldAdminDecimalFieldWidget
    )
    period = forms.ChoiceField(
        label="Budget is for",
        required=False,
        choices=[("", "as each key has it"), *Period.choices],
        widget=UnfoldAdminSelectWidget,
    )
    tokens_day, tokens_week, tokens_month = map(_number, TOKENS)
    none = forms.MultipleChoiceField(
        label="Take these limits away",
        required=False,
        choices=[(name, name) for name in LIMITS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["none"]
        field.choices = [(name, self.fields[name].label) for name in LIMITS]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for name in cleaned.get("none", ()):
            if cleaned.get(name) is not None:
                self.add_error(name, "A limit is either set or taken away.")
        if not cleaned.get("none") and not any(self._given()):
            raise ValidationError("Nothing is to be set.")
        return cleaned

    def _given(self) -> Iterable[tuple[str, Any]]:
        for name in (*LIMITS, "period"):
            value = self.cleaned_data.get(name)
            if value not in (None, ""):
                yield name, value

    def change(self, row: ApiKey) -> None:
        for name, value in self._given():
            setattr(row, name, value)
        for name in self.cleaned_data["none"]:
            setattr(row, name, None)


def form_or_page(
    request: HttpRequest,
    rows: QuerySet[ApiKey],
    action: str,
    kind: type[BulkForm],
    around: dict[str, Any],
) -> BulkForm | TemplateResponse:
    """The form as it was sent, when it is valid; else the page that asks for it.

    `around`: what every page of the admin has.
    """
    form = kind(request.POST) if APPLY in request.POST else kind()
    if form.is_bound and form.is_valid():
        return form
    context = {
        **around,
        "title": kind.title,
        "form": form,
        "rows": rows,
        "action": action,
        "apply": APPLY,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "bridge/admin/bulk.html", context)
