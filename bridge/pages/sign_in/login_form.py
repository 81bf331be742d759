"""The form of the login page: people without a role log in too, for the pages that are for them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm as DjangoForm
from unfold.forms import AuthenticationForm

FOR_EVERYBODY = ("/device/", "/my/")
"""Pages that ask for no role."""


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Whoever has no role is let in on the way to such a page, and refused elsewhere."""

    def confirm_login_allowed(self, user: Any) -> None:
        if self._is_for_everybody():
            DjangoForm.confirm_login_allowed(self, user)
        else:
            super().confirm_login_allowed(user)

    def _is_for_everybody(self) -> bool:
        if self.request is None:
            return False
        places: tuple[Any, ...] = (self.request.POST, self.request.GET)
        asked = next(filter(None, (place.get(REDIRECT_FIELD_NAME) for place in places)), "")
        return _path(asked).startswith(FOR_EVERYBODY)


def _path(address: str) -> str:
    try:
        return urlsplit(address).path
    except ValueError:
        return ""
