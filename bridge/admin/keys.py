"""Keys of the gateway. A new one is shown once, on the page that answers the form."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display

from bridge.admin.base import ConfigAdmin
from bridge.models import ApiKey

_COLOURS = {"good": "success", "expired": "danger", "switched off": "default"}


@admin.register(ApiKey)
class ApiKeyAdmin(ConfigAdmin):
    list_display = ("name", "ends_in", "state", "expires_at", "created_at")
    list_filter = ("enabled",)
    search_fields = ("name", "last_four")
    fields = ("name", "enabled", "expires_at")

    @display(description="key")
    def ends_in(self, row: ApiKey) -> str:
        return f"…{row.last_four}"

    @display(description="state", label=_COLOURS)
    def state(self, row: ApiKey) -> str:
        if not row.enabled:
            return "switched off"
        expired = row.expires_at is not None and row.expires_at <= timezone.now()
        return "expired" if expired else "good"

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            request.issued_key = obj.mint()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the key: not stored, not in a message, not cached."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Key for {obj.name}",
            "opts": self.opts,
            "key": request.issued_key,  # type: ignore[attr-defined]
            "row": obj,
        }
        answer = TemplateResponse(request, "bridge/admin/issued.html", context)
        answer["Cache-Control"] = "no-store"
        return answer
