"""The Django app of the gateway."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BridgeConfig(AppConfig):
    name = "bridge"
    verbose_name = "Gateway"

    def ready(self) -> None:
        """Each migration leaves the groups as `roles` means them."""
        from bridge.accounts import roles  # needs the models, which are there only now

        post_migrate.connect(roles.keep, dispatch_uid="bridge.accounts.roles")
