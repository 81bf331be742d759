"""Forms of rows with sealed columns: what is stored does not leave the server."""

from __future__ import annotations

from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.forms import ModelForm
from unfold.widgets import UnfoldAdminPasswordToggleWidget

from bridge.keys import encryption
from bridge.models.backends import ENV

KEEP = "•" * 8
"""Stands in the form for what is stored; sent back, it means "as it is"."""


class SealedForm(ModelForm):  # type: ignore[type-arg]
    """SEALED: column -> what it holds, such as "key"."""

    SEALED: ClassVar[dict[str, str]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored = {column: getattr(self.instance, column) or "" for column in self.SEALED}
        for column, what in self.SEALED.items():
            if self.stored[column].startswith(encryption.PREFIX) and column in self.fields:
                self.initial[column] = KEEP
                self.fields[column].help_text = self.help_for(column, what)
            if column in self.fields and not self.stored[column].startswith(ENV):
                self.fields[column].widget = _covered()

    def help_for(self, column: str, what: str) -> str:
        """The text below the field of a column that holds something."""
        return (
            f"{_article(what)} {what} is stored, encrypted. Leave the dots to keep it, or write "
            "another one, env:NAME, or nothing."
        )

    def clean(self) -> dict[str, Any]:
        given = super().clean() or self.cleaned_data
        for column, what in self.SEALED.items():
            if column in given:
                try:
                    given[column] = self._meant(column, what, str(given[column]).strip())
                except ValidationError as error:
                    self.add_error(column, error)
        return given

    def _meant(self, column: str, what: str, text: str) -> str:
        if text == KEEP and not self.stored[column]:
            raise ValidationError(f"No {what} is stored that could be kept.")
        if text.startswith(encryption.PREFIX):
            raise ValidationError(
                f"A sealed {what} is read in its own row alone. Enter the {what}."
            )
        return self.stored[column] if text == KEEP else text


def _covered() -> UnfoldAdminPasswordToggleWidget:
    """An input that shows dots, with a button that uncovers what is typed."""
    attrs = {"autocomplete": "new-password", "spellcheck": "false"}
    return UnfoldAdminPasswordToggleWidget(attrs=attrs, render_value=True)


def _article(what: str) -> str:
    return "An" if what[0] in "aeiou" else "A"
