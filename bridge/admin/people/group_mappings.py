"""What groups of company accounts give. For admins alone, since a row gives roles."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from bridge.admin.base import ConfigAdmin
from bridge.admin.people.teams import without_links
from bridge.admin.people.users import ForAdmins
from bridge.models import GroupMapping


@admin.register(GroupMapping)
class GroupMappingAdmin(ForAdmins, ConfigAdmin):
    list_display = ("group", "role", "team")
    list_select_related = ("team",)
    list_filter = ("role", "team")
    search_fields = ("group", "team__name")
    unset = {"role": "None", "team": "None"}
    empty = (
        "No company group gives anything yet. Whoever signs in with a company account is a user "
        "without a role, until one is given here or by hand."
    )
    fieldsets = (
        (
            None,
            {
                "fields": ("group", "role", "team"),
                "description": "Holds from each person\u2019s next sign-in on. What was given by "
                "hand stays.",
            },
        ),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "team":
            without_links(field)
        return field
