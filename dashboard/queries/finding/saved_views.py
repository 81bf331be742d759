"""Saved views of a user: kept, counted, deleted."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

from django.contrib.auth.models import User
from django.db import transaction

from bridge.models import SavedView
from bridge.models.people.saved_views import LONGEST_NAME, LONGEST_QUERY, MOST_VIEWS

MOST_PARAMETERS = 50


def cleaned(query: str, allowed: Collection[str]) -> str:
    """The parameters of an address that a view may have, without empty ones; "" for nonsense."""
    if len(query) > 2 * LONGEST_QUERY:
        return ""
    try:
        found = parse_qsl(query, max_num_fields=MOST_PARAMETERS)
    except ValueError:
        return ""
    kept = {name: text for name, text in found if name in allowed and "\x00" not in text}
    return urlencode(kept, safe="/:")


def keep(user: int, name: str, query: str) -> str:
    """Keep filters under a name, in place of what had it; what is wrong, "" for nothing.

    `user`: the number of a user.
    """
    if not name or not name.isprintable() or len(name) > LONGEST_NAME:
        return f"name: expected 1 to {LONGEST_NAME} characters that can be seen"
    if len(query) > LONGEST_QUERY:
        return f"filters: expected at most {LONGEST_QUERY} characters"
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user)  # two at once must not both be the last
        own = SavedView.objects.filter(user_id=user)
        if own.exclude(name=name).count() >= MOST_VIEWS:
            return f"You have {MOST_VIEWS} saved views, which is as many as there may be."
        own.update_or_create(user_id=user, name=name, defaults={"query": query})
    return ""


def forget(user: int, pk: int) -> str:
    """The name of the view that is gone; "" where the user has no such view."""
    row = SavedView.objects.filter(user_id=user, pk=pk).first()
    if row is None:
        return ""
    row.delete()
    return row.name
