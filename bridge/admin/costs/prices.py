"""Prices, with the models that were used without one, and the way to what is recorded of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Min, Sum
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from unfold.decorators import display

from bridge.admin.base import ConfigAdmin
from bridge.admin.costs import recomputing
from bridge.configuration.snapshot import current_prices
from bridge.models import Price, UsageHour

RECENTLY = timedelta(days=30)
SHOWN_MODELS = 20


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
    list_before_template = "bridge/admin/prices_top.html"
    empty = (
        "No price yet. What a backend's own list tells is used without one; a price here goes "
        "before it, and gives models without one their cost in the reports."
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.recompute_view)
        return [path("recompute/", view, name="bridge_price_recompute"), *super().get_urls()]

    def recompute_view(self, request: HttpRequest) -> HttpResponse:
        """What recorded requests would cost by today's prices; done when the page is answered."""
        if not self.may_operate(request):
            raise PermissionDenied
        return recomputing.page(request, self.admin_site.each_context(request))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        more = {"unpriced": used_without_price(), "may_operate": self.may_operate(request)}
        return super().changelist_view(request, {**(extra_context or {}), **more})

    def panel(self, request: HttpRequest, row: Price) -> dict[str, Any]:
        return {
            "template": "bridge/admin/price_panel.html",
            "recompute": _address("admin:bridge_price_recompute", model=row.model),
        }

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


def used_without_price() -> list[dict[str, Any]]:
    """The models that cost something nobody knows in these days, the most used first."""
    since = timezone.now() - RECENTLY
    hours = UsageHour.objects.filter(hour__gte=since, unpriced__gt=0).exclude(model="").order_by()
    sums = hours.values("backend", "model").annotate(requests=Sum("unpriced"), first=Min("hour"))
    prices, shown = current_prices(), list(sums.order_by("-requests", "model")[:SHOWN_MODELS])
    return [
        {**row, "is_priced": prices.rates(row["backend"], row["model"]) is not None}
        | _links(row["backend"], row["model"], row["first"])
        for row in shown
    ]


def _links(backend: str, model: str, first: datetime) -> dict[str, str]:
    since = timezone.localtime(first).date().isoformat()
    asked = {"model": model, "backend": backend, "trait": "unpriced", "from": since}
    return {
        "add": _address("admin:bridge_price_add", model=model),
        "recompute": _address("admin:bridge_price_recompute", model=model, since=since),
        "asked": _address("dashboard:requests", **asked, to=timezone.localdate().isoformat()),
    }


def _address(name: str, **parameters: str) -> str:
    return f"{reverse(name)}?{urlencode(parameters)}"
