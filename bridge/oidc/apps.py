"""The Django app of company accounts. It has no tables of its own."""

from __future__ import annotations

from django.apps import AppConfig


class OidcConfig(AppConfig):
    name = "bridge.oidc"
    label = "bridge_oidc"
    verbose_name = "Company accounts"
