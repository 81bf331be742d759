"""Where somebody comes out who has just signed in."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import get_script_prefix, reverse
from django.utils.http import url_has_allowed_host_and_scheme

FOR_ROLES = ("admin/", "dashboard/")


def is_ours(request: HttpRequest, address: str) -> bool:
    """Whether an address leads to a page of this gateway, as the visitor sees it."""
    return url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())


def landing(request: HttpRequest, user: User, address: str) -> str:
    """The page that was asked for, where it is ours and this user may open it; else a start page:
    that of the admin for those with a role, `/my/` for everybody else."""
    otherwise = reverse("admin:index") if user.is_staff else reverse("my")
    if not address or not is_ours(request, address):
        return otherwise
    path = urlsplit(address).path.removeprefix(get_script_prefix())
    is_for_roles = path.lstrip("/").startswith(FOR_ROLES)
    return otherwise if is_for_roles and not user.is_staff else address
