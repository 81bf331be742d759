"""Tool names and prices: plain tables."""

from __future__ import annotations

from decimal import Decimal

from django.contrib import admin
from unfold.decorators import display

from bridge.admin.base import ConfigAdmin
from bridge.models import Price, ToolNameMap


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


@admin.register(Price)
class PriceAdmin(ConfigAdmin):
    list_display = (
        "model",
        "at",
        "input_price",
        "output_price",
        "cache_read_price",
        "cache_write_price",
    )
    list_select_related = ("backend",)
    search_fields = ("model",)
    empty = (
        "No price yet. What a backend's own list tells is used without one; a price here goes "
        "before it, and gives models without one their cost in the reports."
    )

    @display(description="at", ordering="backend__name")
    def at(self, row: Price) -> str:
        return row.backend_name or "every backend"

    @display(description="input, USD/M", ordering="input_per_mtok")
    def input_price(self, row: Price) -> str:
        return _shown(row.input_per_mtok)

    @display(description="output", ordering="output_per_mtok")
    def output_price(self, row: Price) -> str:
        return _shown(row.output_per_mtok)

    @display(description="cache read", ordering="cache_read_per_mtok")
    def cache_read_price(self, row: Price) -> str:
        return _shown(row.cache_read_per_mtok)

    @display(description="cache write", ordering="cache_write_per_mtok")
    def cache_write_price(self, row: Price) -> str:
        return _shown(row.cache_write_per_mtok)


def _shown(price: Decimal | None) -> str:
    """With two digits behind the point at least, and no zeros behind those."""
    if price is None:
        return "as input"
    whole, _, rest = f"{price:f}".partition(".")
    return f"{whole}.{rest.rstrip('0'):0<2}"
