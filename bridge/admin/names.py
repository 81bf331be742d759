"""Tool names and prices: plain tables."""

from __future__ import annotations

from django.contrib import admin

from bridge.admin.base import ConfigAdmin
from bridge.models import Price, ToolNameMap


@admin.register(ToolNameMap)
class ToolNameMapAdmin(ConfigAdmin):
    list_display = ("backend_name", "client_name", "model_pattern", "source")
    list_filter = ("origin",)
    search_fields = ("backend_name", "client_name", "model_pattern")
    fields = ("backend_name", "client_name", "model_pattern")


@admin.register(Price)
class PriceAdmin(ConfigAdmin):
    list_display = (
        "model",
        "input_per_mtok",
        "output_per_mtok",
        "cache_read_per_mtok",
        "cache_write_per_mtok",
    )
    search_fields = ("model",)
