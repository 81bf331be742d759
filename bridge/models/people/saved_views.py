"""Filters of the list of requests that users keep under a name, each their own."""

from __future__ import annotations

from django.conf import settings
from django.db import models

MOST_VIEWS = 30
"""Of one user."""
LONGEST_NAME = 60
LONGEST_QUERY = 2000


class SavedView(models.Model):
    """`query`: the parameters of the address, without the time zone."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    name = models.CharField(max_length=LONGEST_NAME)
    query = models.CharField(max_length=LONGEST_QUERY, blank=True, default="")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["user", "name"], name="one_view_of_a_name_per_user")
        ]

    def __str__(self) -> str:
        return self.name
