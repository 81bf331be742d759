"""The history of all changes, deleted rows included, and the way back."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.admin.base import page_of, post_only, take_back
from bridge.documents import KINDS
from bridge.models import Change

_COLOURS = {"added": "success", "changed": "info", "deleted": "danger"}


@admin.register(Change)
class ChangeAdmin(ModelAdmin):
    list_display = ("at", "label", "kind", "what", "actor")
    list_filter = ("kind", "actor")
    search_fields = ("label", "actor")
    date_hierarchy = "at"
    list_per_page = 50

    @display(description="change", label=_COLOURS)
    def what(self, change: Change) -> str:
        return change.verb

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.revert_view))
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
        """One change, with what it changed."""
        change = get_object_or_404(Change, pk=object_id)
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": str(change),
            "opts": self.opts,
            "changes": [change],
            "may_revert": may_revert(request, change),
            "next": reverse("admin:bridge_change_changelist"),
        }
        return TemplateResponse(request, "bridge/admin/history.html", context)

    def revert_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        change = get_object_or_404(Change, pk=pk)
        if not may_revert(request, change):
            raise PermissionDenied
        row = take_back(request, change)
        then = request.POST.get("next", "")
        if not url_has_allowed_host_and_scheme(then, {request.get_host()}, request.is_secure()):
            then = reverse("admin:bridge_change_changelist")
        if row is None and change.before is None and f"/{change.object_id}/" in then:
            then = reverse("admin:bridge_change_changelist")  # the row's own page is gone with it
        elif row is not None and row.pk:
            then = then or page_of(row)
        return HttpResponseRedirect(then)


def may_revert(request: HttpRequest, change: Change) -> bool:
    """Whoever may change rows of this kind may take their changes back."""
    opts = KINDS[change.kind]._meta
    return request.user.has_perm(f"{opts.app_label}.change_{opts.model_name}")
