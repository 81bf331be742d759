"""The Django app of the gateway."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_delete


class BridgeConfig(AppConfig):
    name = "bridge"
    verbose_name = "Gateway"

    def ready(self) -> None:
        """Each migration leaves the groups as `roles` means them; users take their links along;
        who signs in is recorded."""
        # they need the models, which are there only now
        from django.contrib.auth.models import User

        from bridge.accounts import (
            former_links,
            roles,
            sign_in_history,  # noqa: F401 - connects its receivers
        )

        post_migrate.connect(roles.keep, dispatch_uid="bridge.accounts.roles")
        pre_delete.connect(
            former_links.forget, sender=User, dispatch_uid="bridge.accounts.former_links"
        )
