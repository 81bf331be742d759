"""The field of an alias' verdicts for auto mode: a choice, and the judge's model beside it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import CharField, ChoiceField, MultiValueField, MultiWidget
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from bridge.translation import safeguards

JUDGE = "judge"
CHOICES = (
    ("", "As the setting SAFEGUARDS says"),
    (safeguards.UNAVAILABLE, "Unavailable: the client checks by itself"),
    (JUDGE, "From a judge model:"),
    (safeguards.OFF, "Off: nothing is answered"),
)
HELP = (
    "What Claude Code’s auto mode is answered when it asks for verdicts on tool calls. A judge is "
    "a name that clients could use, an alias or a model; it reads every call that the client may "
    "not run on its own, so take a fast model that keeps to a JSON schema. Try it first: manage.py "
    "judge docs/reference/judge-cases.yaml --model NAME. Without a judge, clients that send no "
    "telemetry deny every call that they would check."
)
NAME_IT = "Name the model that judges."
NOT_CHOSEN = "A judge is named here: choose “From a judge model”, or leave its name empty."
NAMES = "gw-judges"
"""Id of the list of names that the form suggests."""


class VerdictsWidget(MultiWidget):
    def __init__(self) -> None:
        named = {"list": NAMES, "autocomplete": "off", "placeholder": "model", "maxlength": "280"}
        named["aria-label"] = "Judge model"
        choice = {"aria-label": "Where verdicts come from"}
        super().__init__(
            {
                "choice": UnfoldAdminSelectWidget(attrs=choice, choices=CHOICES),
                "judge": UnfoldAdminTextInputWidget(attrs=named),
            }
        )

    def decompress(self, value: Any) -> list[str]:
        judge = safeguards.judge_model(value or "")
        return [JUDGE, judge] if judge else [value or "", ""]


class VerdictsField(MultiValueField):
    """Reads and writes the text of `ModelAlias.safeguards`."""

    def __init__(self, **kwargs: Any) -> None:
        fields = (
            ChoiceField(choices=CHOICES, required=False),
            CharField(max_length=280, required=False),
        )
        super().__init__(
            fields=fields,
            widget=VerdictsWidget(),
            required=False,
            require_all_fields=False,
            **kwargs,
        )

    def compress(self, data_list: list[str]) -> str:
        choice, judge = data_list or ("", "")
        if choice == JUDGE and not judge:
            raise ValidationError(NAME_IT)
        if judge and choice != JUDGE:
            raise ValidationError(NOT_CHOSEN)
        return safeguards.normalized(f"judge: {judge}") if judge else choice
