"""The pages of log-in and log-out: people without a role log in too, come out where pages are for
them, and leave again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.forms import AuthenticationForm as DjangoForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.forms import AuthenticationForm

from bridge.accounts.landing import landing


class LoginForm(AuthenticationForm):  # type: ignore[misc]
    """Lets in whoever is active: what somebody may open is asked by each page."""

    error_messages = DjangoForm.error_messages
    """The admin's own speak of staff alone."""

    def confirm_login_allowed(self, user: Any) -> None:
        DjangoForm.confirm_login_allowed(self, user)


def login(request: HttpRequest) -> HttpResponse:
    """The admin's own, which sends everybody on to the page that was asked for."""
    response: HttpResponse = admin.site.login(request)
    user = request.user
    if request.method != "POST" or response.status_code != 302 or not isinstance(user, User):
        return response
    asked = request.POST.get(REDIRECT_FIELD_NAME) or request.GET.get(REDIRECT_FIELD_NAME) or ""
    return redirect(landing(request, user, asked))


def log_out(request: HttpRequest) -> HttpResponse:
    """The admin's own, which lets everybody out."""
    response: HttpResponse = admin.site.logout(request)
    return response
