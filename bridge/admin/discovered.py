"""Models: what a list told, what a probe found, what the operator set, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from unfold.decorators import display

from bridge.admin.base import ConfigAdmin, post_only
from bridge.models import DiscoveredModel
from bridge.probing import live

_WORDS = {True: "yes", False: "no", None: "not told"}
_LABELS = {
    "context": "Context window",
    "max_output": "Longest answer",
    "vision": "Images",
    "tools": "Tools",
    "reasoning": "Thinking",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of the table on a model's page. `counts` is whose answer is used."""

    label: str
    told: str
    probed: str
    override: str
    counts: str


@admin.register(DiscoveredModel)
class DiscoveredModelAdmin(ConfigAdmin):
    list_display = ("name", "backend", "window", "images", "calls", "thinks", "probe", "listed")
    list_filter = ("backend", "listed", "tools", "vision", "reasoning")
    list_select_related = ("backend",)
    search_fields = ("name",)
    fieldsets = (
        (
            "What you say counts",
            {
                "fields": tuple(f"{name}_override" for name in DiscoveredModel.FACTS),
                "description": "Leave empty what the list and the probe know.",
            },
        ),
        ("How it is to be read", {"fields": ("dialect", "inline_thinking", "written_calls")}),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    # --- columns: the answer that counts ---

    @display(description="context")
    def window(self, row: DiscoveredModel) -> str:
        return _shown(row.fact("context"))

    @display(description="images")
    def images(self, row: DiscoveredModel) -> str:
        return _shown(row.fact("vision"))

    @display(description="tools")
    def calls(self, row: DiscoveredModel) -> str:
        return _shown(row.fact("tools"))

    @display(description="thinking")
    def thinks(self, row: DiscoveredModel) -> str:
        return _shown(row.fact("reasoning"))

    @display(description="probe", ordering="probed_at")
    def probe(self, row: DiscoveredModel) -> str:
        if not row.evidence:
            return "-"
        works = sum(1 for check in row.evidence if check["works"])
        return f"{works} of {len(row.evidence)}"

    # --- one model ---

    def panel(self, request: HttpRequest, row: DiscoveredModel) -> dict[str, Any]:
        return {
            "template": "bridge/admin/model_panel.html",
            "model": row,
            "facts": list(_facts(row)),
            "settings_for": row.name,
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.probe_view))
        return [
            path("<int:pk>/probe/", view, name="bridge_discoveredmodel_probe"),
            *super().get_urls(),
        ]

    def probe_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Probe the model; the answer is one JSON line for each check, as it comes."""
        row = get_object_or_404(DiscoveredModel, pk=pk)
        if not self.may_operate(request):
            raise PermissionDenied
        lines = live.progress_lines(row.backend_id, row.name)
        answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
        answer["Cache-Control"] = "no-store"
        return answer


def _facts(row: DiscoveredModel) -> Iterator[Fact]:
    for name, label in _LABELS.items():
        told, probed = getattr(row, name), row.probed.get(name)
        override = getattr(row, f"{name}_override")
        known = (("you", override), ("the probe", probed), ("its list", told))
        counts = next((whose for whose, value in known if value is not None), "")
        yield Fact(label, _shown(told), _shown(probed), _shown(override), counts)


def _shown(value: Any) -> str:
    return _WORDS[value] if value is None or isinstance(value, bool) else f"{value:,}"
