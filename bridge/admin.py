"""The rows of the gateway in Django's admin. Rows from the environment are shown, not edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import ModelAdmin

from bridge.models import ApiKey, Backend, DiscoveredModel, ModelAlias, Origin, ToolNameMap


class ConfigAdmin(ModelAdmin):  # type: ignore[misc]
    """What all configuration rows share: the environment's are read-only here."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _from_environment(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _from_environment(obj) and bool(super().has_delete_permission(request, obj))


def _from_environment(obj: Any) -> bool:
    return getattr(obj, "origin", None) == Origin.ENVIRONMENT


@admin.register(Backend)
class BackendAdmin(ConfigAdmin):
    list_display = ("name", "url", "dialect", "credential", "position", "enabled", "origin")
    list_filter = ("enabled", "dialect", "origin")
    search_fields = ("name", "url")


@admin.register(ModelAlias)
class ModelAliasAdmin(ConfigAdmin):
    list_display = ("pattern", "enabled", "origin")
    list_filter = ("enabled", "origin")
    search_fields = ("pattern", "targets__model")


@admin.register(ToolNameMap)
class ToolNameMapAdmin(ConfigAdmin):
    list_display = ("backend_name", "client_name", "model_pattern", "origin")
    list_filter = ("origin",)
    search_fields = ("backend_name", "client_name", "model_pattern")


@admin.register(DiscoveredModel)
class DiscoveredModelAdmin(ConfigAdmin):
    list_display = (
        "name",
        "backend",
        "context",
        "max_output",
        "tools",
        "vision",
        "reasoning",
        "listed",
        "last_change",
    )
    list_filter = ("backend", "listed", "tools", "vision", "reasoning")
    list_select_related = ("backend",)
    search_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """What was discovered is shown; how the model is to be read may be chosen."""
        chosen = {"dialect", "inline_thinking", "written_calls", "refused"}
        names = [field.name for field in DiscoveredModel._meta.fields]
        return [name for name in names if name not in chosen]


@admin.register(ApiKey)
class ApiKeyAdmin(ConfigAdmin):
    list_display = ("name", "last_four", "enabled", "expires_at", "created_at")
    list_filter = ("enabled",)
    search_fields = ("name", "last_four")
    readonly_fields = ("last_four", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Keys are issued by `manage.py issue_key`, which can show them once."""
        return False
