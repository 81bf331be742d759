"""Teams with their members, and the limits of single people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin
from bridge.admin.people import handed_out, spent
from bridge.admin.people.unpriced_use import unpriced_of
from bridge.keys.limits import AccountKind, AccountRef
from bridge.models import ApiKey, PersonLimits, Team, TeamMember
from bridge.models.people.keys import KeyKind
from bridge.models.people.limit_columns import SharedLimits
from bridge.models.people.teams import HAS_KEYS

MAY_USE = (
    "What may be used",
    {
        "fields": ("allowed", "rpm", "tpm", "concurrent"),
        "description": "All keys together. Empty limits are no limits.",
    },
)
HOW_MUCH = (
    "How much may be used",
    {
        "fields": (
            "budget_day",
            "budget_week",
            "budget_month",
            "unpriced",
            "tokens_day",
            "tokens_week",
            "tokens_month",
        ),
        "description": "Where a key, its person and its team have limits, the tightest decides.",
    },
)


class MemberForm(forms.ModelForm):  # type: ignore[type-arg]
    """A member who is there is one choice: all people, once for each member, are a slow page."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk and "user" in self.fields:
            field: Any = self.fields["user"]
            field.choices = [(self.instance.user_id, self.instance.user.username)]


class MemberInline(TabularInline):
    model = TeamMember
    form = MemberForm
    extra = 0
    hide_title = True
    verbose_name_plural = "Members"
    fields = ("user", "provided")
    readonly_fields = ("provided",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[TeamMember]:
        rows: QuerySet[TeamMember] = super().get_queryset(request)
        return rows.select_related("user")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A plain choice, read once for all rows."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "user":
            without_links(field)
            field.widget.widget.attrs["aria-label"] = "Member"
        return field


@admin.register(Team)
class TeamAdmin(ConfigAdmin):
    list_display = ("name", "state", "members", "keys", "limits")
    list_filter = ("enabled",)
    search_fields = ("name", "people__username")
    inlines = (MemberInline,)
    empty = (
        "No team yet. The people of a team share its budget and its limits, whatever key each of "
        "them uses."
    )
    fieldsets = (
        (None, {"fields": ("name", "enabled")}),
        MAY_USE,
        HOW_MUCH,
        ("Their clients", {"fields": ("client_settings",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Team]:
        rows: QuerySet[Team] = super().get_queryset(request)
        return rows.prefetch_related("people", "keys")

    def panel(self, request: HttpRequest, row: Team) -> dict[str, Any]:
        ref = AccountRef(AccountKind.TEAM, row.pk)
        return {
            "template": "bridge/admin/account_panel.html",
            "quotas": _spent(ref, row),
            "unpriced": unpriced_of(row),
            "keys": keys_of_team(row),
            "handed_out": (
                handed_out.to_team(request, row)
                if self.has_change_permission(request, row)
                else None
            ),
        }

    def goes_along(self, row: Team) -> list[str]:
        members = row.memberships.count()
        return [f"the membership of {members} people"] if members else []

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """A key must not get free of its limits because its team is gone."""
        gone, counts, missing, protected = super().get_deleted_objects(objs, request)
        with_keys = [row for row in objs if row.keys.exists()]
        return gone, counts, missing, [*protected, *(f"{row}: {HAS_KEYS}" for row in with_keys)]

    @display(description="state")
    def state(self, row: Team) -> str:
        word = "enabled" if row.enabled else "disabled"
        return formatting.state("success" if row.enabled else "default", word)

    @display(description="members")
    def members(self, row: Team) -> str:
        return formatting.number(len(row.people.all()))

    @display(description="keys of its own")
    def keys(self, row: Team) -> str:
        return formatting.number(len(row.keys.all()))

    @display(description="limits")
    def limits(self, row: Team) -> str:
        return formatting.limits(row)


@admin.register(PersonLimits)
class PersonLimitsAdmin(ConfigAdmin):
    list_display = ("user", "limits")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    empty = "Nobody has limits of their own. Those of a person hold for all keys of that person."
    fieldsets = ((None, {"fields": ("user",)}), MAY_USE, HOW_MUCH)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "user":
            without_links(field)
        return field

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return ("user",) if obj else ()

    def panel(self, request: HttpRequest, row: PersonLimits) -> dict[str, Any]:
        ref = AccountRef(AccountKind.PERSON, row.user_id)
        return {
            "template": "bridge/admin/account_panel.html",
            "quotas": _spent(ref, row),
            "unpriced": unpriced_of(row),
            "keys": list(row.user.keys.filter(kind=KeyKind.ISSUED)),
            "handed_out": (
                handed_out.to_person(row.user) if self.has_change_permission(request, row) else None
            ),
        }

    @display(description="limits")
    def limits(self, row: PersonLimits) -> str:
        return formatting.limits(row)


def without_links(field: Any) -> None:
    """Only admins may open the pages of users."""
    field.choices = list(field.choices)
    plain: Any = field.widget
    plain.can_add_related = plain.can_change_related = False
    plain.can_delete_related = plain.can_view_related = False


def _spent(ref: AccountRef, row: SharedLimits) -> list[spent.QuotaLine]:
    try:
        return spent.lines(ref, row.limits())
    except ValueError:
        return []  # named as a fault of the configuration


def keys_of_team(team: Team) -> list[ApiKey]:
    """Those of its own, and those of members of no other team who have none of their own."""
    alone = User.objects.annotate(number=Count("memberships")).filter(number=1, teams=team)
    rows = ApiKey.objects.filter(Q(team=team) | Q(team=None, person__in=alone))
    return list(rows.filter(kind=KeyKind.ISSUED))
