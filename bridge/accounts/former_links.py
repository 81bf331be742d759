"""Links of users to company accounts, while nobody signs in with those.

Their table stays when OIDC_ISSUER is taken away, so that it can come back, and Django then knows
nothing of it. A user who is deleted meanwhile takes the link along, as with it.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections

TABLE = "socialaccount_socialaccount"


def forget(sender: type[User], instance: User, using: str, **_: Any) -> None:
    """pre_delete of a user."""
    connection = connections[using]
    if settings.OIDC_ISSUER or TABLE not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE} WHERE user_id = %s", [instance.pk])  # noqa: S608
