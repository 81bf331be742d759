"""The history: each act one line, deleted rows included, and a page for each with the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.admin import formatting, taking_back
from bridge.admin.base import from_environment
from bridge.admin.history_filters import (
    DayFilter,
    KindFilter,
    PersonFilter,
    SignInsFilter,
    acts_with,
    day_of,
)
from bridge.configuration import undo
from bridge.configuration.documents import KINDS, named
from bridge.models import Change, ConfigRow

_COLOURS = {"added": "success", "changed": "info", "deleted": "danger"}
SHOWN_PREVIEWS = 50


@admin.register(Change)
class ChangeAdmin(ModelAdmin):
    list_display = ("what", "kind_of", "done", "fields_changed", "actor", "when")
    list_filter = (DayFilter, PersonFilter, KindFilter, SignInsFilter)
    list_before_template = "bridge/admin/changes_top.html"
    search_fields = ("label", "actor")
    list_per_page = 50
    empty = (
        "Nothing to list. Whatever is changed here, by an imported file or by the environment is, "
        "with who changed it and a button to take it back; and so is who signed in."
    )

    # --- columns ---

    @display(description="what", ordering="label")
    def what(self, change: Any) -> str:
        more = change.size - 1
        return f"{change.label} and {more} more" if more else str(change.label)

    @display(description="kind", ordering="kind")
    def kind_of(self, change: Change) -> str:
        return named(change.kind)

    @display(description="change")
    def done(self, change: Change) -> str:
        return formatting.state(_COLOURS.get(change.verb, "default"), change.verb)

    @display(description="what changed")
    def fields_changed(self, change: Change) -> str:
        return change.summary

    @display(description="when", ordering="pk")
    def when(self, change: Change) -> str:
        return formatting.moment(change.at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Change]:
        """One entry for each act."""
        return with_sizes(super().get_queryset(request).filter(leads=True))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Acts of which any entry has these words."""
        if not search_term:
            return queryset, False
        found, _ = super().get_search_results(request, Change.objects.all(), search_term)
        return queryset.filter(acts_with(found)), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        asked = {name: request.GET.get(name, "") for name in ("day", "person")}
        chosen = {"day": day_of(asked["day"]), "person": asked["person"][:150]}
        return super().changelist_view(request, {**(extra_context or {}), **chosen})

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revert_view)
        return [
            path("<int:pk>/revert/", view, name="bridge_change_revert"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One act, with all that it changed."""
        change = get_object_or_404(Change, pk=object_id)
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        changes = list(change.of_one_act().order_by("pk"))
        size = len(changes)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{named(change.kind)} {change}",
            "changes": changes[:SHOWN_PREVIEWS],
            "hidden": max(0, size - SHOWN_PREVIEWS),
            "act": _act(request, change, changes),
            "revertible": [c.pk for c in changes if size > 1 and _may_take_back(request, c)],
            "history": _history_of(change) if size == 1 else "",
            "next": reverse("admin:bridge_change_changelist"),
        }
        return TemplateResponse(request, "bridge/admin/history.html", context)

    def revert_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What taking an act or a change back would do; done when that page is answered."""
        change = get_object_or_404(Change, pk=pk)
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        return taking_back.page(request, change, self.admin_site.each_context(request))


@dataclass(frozen=True, slots=True)
class ActShown:
    """What the page of an act says of its undo: it is possible, or why not."""

    change: Change
    size: int
    may_revert: bool
    refusal: str


def with_sizes(changes: QuerySet[Change]) -> QuerySet[Change]:
    """`size`: of how many entries the act of each is."""
    act = Change.objects.filter(act=OuterRef("act")).order_by().values("act")
    return changes.annotate(size=Subquery(act.annotate(size=Count("pk")).values("size")))


def _act(request: HttpRequest, change: Change, changes: list[Change]) -> ActShown:
    reason = undo.refusal(changes)
    may = not reason and all(_may_take_back(request, each) for each in changes)
    return ActShown(change, len(changes), may, reason)


def _may_take_back(request: HttpRequest, change: Change) -> bool:
    return taking_back.may_revert(request, change) and not from_environment(_row_of(change))


def _row_of(change: Change) -> ConfigRow | None:
    if change.kind not in KINDS:
        return None
    found: ConfigRow | None = (
        KINDS[change.kind]._default_manager.filter(pk=change.object_id).first()
    )
    return found


def _history_of(change: Change) -> str:
    """The address of all changes of the same row."""
    if change.kind not in KINDS:
        return ""
    opts = KINDS[change.kind]._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_history", args=[change.object_id])
