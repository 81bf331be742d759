"""Sign-ins of people with clients: who, with what, from where, and the ends of them.

They are made by their people alone. Shown is nothing that a token could be made of.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.accounts.clients import sign_ins
from bridge.admin import formatting
from bridge.admin.base import actor
from bridge.models import SignIn

_COLOURS = {
    "active": "success",
    "ended": "default",
    "expired": "default",
    "person not active": "danger",
}


class StateFilter(SimpleListFilter):
    """Whether a sign-in can still be refreshed."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("active", "active"), ("over", "over")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        active = SignIn.objects.active().values("pk")
        if self.value() == "active":
            return queryset.filter(pk__in=active)
        return queryset.exclude(pk__in=active) if self.value() == "over" else queryset


@admin.register(SignIn)
class SignInAdmin(ModelAdmin):
    list_display = ("who", "client_name", "address", "state", "created", "used")
    list_display_links = None
    list_select_related = ("person", "key")
    list_filter = (StateFilter,)
    search_fields = ("person__username", "client", "address", "key__name")
    list_per_page = 50
    actions = ("end", "end_all_of_person")
    empty = (
        "Nobody has signed in yet. A person does so with /login in Claude Code, once its settings "
        "name this gateway (Client settings has the lines), and confirms a code in the browser."
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """A row has no page: the list says all that there is."""
        raise Http404

    def get_queryset(self, request: HttpRequest) -> QuerySet[SignIn]:
        return super().get_queryset(request).with_last_use()  # type: ignore[no-any-return]

    # --- columns ---

    @display(description="person", ordering="person__username")
    def who(self, row: SignIn) -> str:
        return formatting.two_lines(row.person.get_username(), row.key.name)

    @display(description="client", ordering="client")
    def client_name(self, row: SignIn) -> str:
        return row.client or "-"

    @display(description="state")
    def state(self, row: SignIn) -> str:
        return formatting.state(_COLOURS[row.state], row.state)

    @display(description="signed in", ordering="created_at")
    def created(self, row: SignIn) -> str:
        return formatting.moment(row.created_at)

    @display(description="last used", ordering="last_at")
    def used(self, row: Any) -> str:
        return formatting.moment(row.last_at)

    # --- what can be done to ticked rows ---

    @admin.action(description="End", permissions=["change"])
    def end(self, request: HttpRequest, rows: QuerySet[SignIn]) -> None:
        going_on = list(rows.filter(ended_at=None))
        for row in going_on:
            row.end(_why(request))
        messages.success(request, _ended(len(going_on)))

    @admin.action(description="End all of these people", permissions=["change"])
    def end_all_of_person(self, request: HttpRequest, rows: QuerySet[SignIn]) -> None:
        people = {row.person_id: row.person for row in rows}.values()
        messages.success(
            request, _ended(sum(sign_ins.end_all(person, _why(request)) for person in people))
        )


def _why(request: HttpRequest) -> str:
    return f"{actor(request)[:80]} ended it"


def _ended(number: int) -> str:
    counted = "1 sign-in is" if number == 1 else f"{number} sign-ins are"
    return f"{counted} ended: the next request is refused."
