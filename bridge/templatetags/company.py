"""The way to the company account, on the pages of log-in and log-out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.conf import settings
from django.urls import reverse

register = template.Library()


@register.simple_tag(takes_context=True)
def company_sign_in(context: dict[str, Any]) -> dict[str, str]:
    """`name` and `address` of the sign-in with a company account; empty where there is none."""
    if not settings.OIDC_ISSUER:
        return {}
    query = urlencode({"next": context["next"]}) if context.get("next") else ""
    address = reverse("oidc_begin") + (f"?{query}" if query else "")
    return {"name": settings.OIDC_NAME, "address": address}
