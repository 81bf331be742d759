"""The Django app of the gateway."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class BridgeConfig(AppConfig):
    name = "bridge"
    verbose_name = "Gateway"

    def ready(self) -> None:
        """Each migration leaves the groups of `roles` as they are meant to be."""
        from bridge import roles  # its models are there only now

        post_migrate.connect(roles.keep, dispatch_uid="bridge.roles")
