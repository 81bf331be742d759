"""Tool names: a plain table."""

from __future__ import annotations

from django.contrib import admin

from bridge.admin.base import ConfigAdmin
from bridge.models import ToolNameMap


@admin.register(ToolNameMap)
class ToolNameMapAdmin(ConfigAdmin):
    list_display = ("backend_name", "client_name", "model_pattern", "source")
    list_filter = ("origin",)
    search_fields = ("backend_name", "client_name", "model_pattern")
    empty = (
        "No tool name is mapped, and most models need none. Map one where a model insists on a "
        "name of its own, such as run_shell for Bash."
    )
    fields = ("backend_name", "client_name", "model_pattern")
