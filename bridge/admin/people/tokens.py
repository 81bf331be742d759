"""Tokens of the admin API. Only admins make and revoke them; a new one is shown once."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import display

from bridge.accounts.roles import MEANINGS
from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin, actor
from bridge.admin.people.users import ForAdmins
from bridge.models import AdminToken
from bridge.models.changes import recorded

_COLOURS = {"good": "success", "expired": "danger", "revoked": "danger"}


@admin.register(AdminToken)
class AdminTokenAdmin(ForAdmins, ConfigAdmin):
    list_display = ("name", "role", "ends_in", "state", "expires", "used", "made_by")
    list_filter = ("role",)
    search_fields = ("name", "last_four", "made_by")
    buttons = ("revoke",)
    empty = (
        "No token yet. A script that uses the admin API, under /api/admin/v1/, sends one; its "
        "role says what the script may do."
    )
    fieldsets = ((None, {"fields": ("name", "role", "expires_at")}),)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "role":
            field.help_text = format_html_join(mark_safe("<br>"), "{}: {}", MEANINGS.items())
        return field

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What a token may do does not change."""
        return obj is None and super().has_change_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A token stays in the list, so that the history can be read; it is revoked."""
        return False

    @display(description="token")
    def ends_in(self, row: AdminToken) -> str:
        return f"…{row.last_four}"

    @display(description="state")
    def state(self, row: AdminToken) -> str:
        return formatting.state(_COLOURS[row.state], row.state)

    @display(description="expires", ordering="expires_at")
    def expires(self, row: AdminToken) -> str:
        return formatting.moment(row.expires_at)

    @display(description="last used", ordering="last_used_at")
    def used(self, row: AdminToken) -> str:
        return formatting.moment(row.last_used_at)

    def save_model(self, request: HttpRequest, obj: AdminToken, form: Any, change: bool) -> None:
        if not change:
            request.issued_token = obj.mint(actor(request))  # type: ignore[attr-defined]

    def response_add(
        self, request: HttpRequest, obj: AdminToken, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The only page that ever shows the token: not stored, not in a message, not cached."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Token {obj.name}",
            "key": request.issued_token,  # type: ignore[attr-defined]
            "row": obj,
        }
        answer = TemplateResponse(request, "bridge/admin/issued_token.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    def revoke(self, request: HttpRequest, row: AdminToken) -> None:
        with recorded(actor(request)):
            row.revoke()
        messages.success(request, f"{row.name} is revoked: its next request is refused.")

    def panel(self, request: HttpRequest, row: AdminToken) -> dict[str, Any]:
        return {"template": "bridge/admin/token_panel.html"}
