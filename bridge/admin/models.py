"""Models: what the list says, what a probe found, what the operator set, side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin, post_only
from bridge.models import DiscoveredModel, LearnedFact
from bridge.probe import progress

LONGEST_ENTRY = 20_000
"""Characters of a backend's own entry that a page shows."""

_LABELS = {
    "context": "Context window",
    "max_output": "Longest answer",
    "vision": "Images",
    "tools": "Tools",
    "reasoning": "Thinking",
}


@dataclass(frozen=True, slots=True)
class ModelFactRow:
    """One row of the table on a model's page. `counts` is the answer that is used, `by` whose."""

    label: str
    counts: str
    by: str
    reported: str
    probed: str
    override: str


@admin.register(DiscoveredModel)
class DiscoveredModelAdmin(ConfigAdmin):
    list_display = ("place", "window", "images", "calls", "thinks", "probe", "last_seen")
    list_filter = ("backend", "listed", "tools", "vision", "reasoning")
    list_select_related = ("backend",)
    search_fields = ("name",)
    unset = {
        "vision_override": "As found",
        "tools_override": "As found",
        "reasoning_override": "As found",
        "family": "As its backend",
        "inline_thinking": "Known from its name",
        "written_calls": "As TEXT_TOOL_CALLS says",
        "reasoning_turns": "As its family",
    }
    empty = (
        "No model yet. The lists of the backends are read every minute, and their models appear "
        "here as soon as one answers."
    )
    empty_link = ("admin:bridge_backend_changelist", "See the backends")
    fieldsets = (
        (
            "What you say counts",
            {
                "fields": tuple(f"{name}_override" for name in DiscoveredModel.FACTS),
                "description": "Leave empty what the list and the probe know.",
            },
        ),
        (
            "How it is to be read",
            {"fields": ("family", "inline_thinking", "written_calls", "reasoning_turns")},
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only what no list has any more: the next look would bring the others back."""
        gone = obj is not None and not obj.listed
        return gone and bool(super().has_delete_permission(request, obj))

    # --- columns: the answer that counts ---

    @display(description="model", ordering="name")
    def place(self, row: DiscoveredModel) -> str:
        return formatting.two_lines(row.name, row.backend.name)

    @display(description="context")
    def window(self, row: DiscoveredModel) -> str:
        return formatting.fact(row.fact("context"))

    @display(description="images")
    def images(self, row: DiscoveredModel) -> str:
        return formatting.fact(row.fact("vision"))

    @display(description="tools")
    def calls(self, row: DiscoveredModel) -> str:
        return formatting.fact(row.fact("tools"))

    @display(description="thinking")
    def thinks(self, row: DiscoveredModel) -> str:
        return formatting.fact(row.fact("reasoning"))

    @display(description="probe", ordering="probed_at")
    def probe(self, row: DiscoveredModel) -> str:
        if not row.evidence:
            return "not yet"
        works = sum(1 for check in row.evidence if check["works"])
        return formatting.two_lines(
            f"{works} of {len(row.evidence)} work", formatting.moment(row.probed_at)
        )

    @display(description="state", ordering="listed")
    def last_seen(self, row: DiscoveredModel) -> str:
        colour, word = ("success", "listed") if row.listed else ("warning", "not listed any more")
        return formatting.state(colour, word)

    # --- one model ---

    def panel(self, request: HttpRequest, row: DiscoveredModel) -> dict[str, Any]:
        return {
            "template": "bridge/admin/model_panel.html",
            "model": row,
            "facts": list(_facts(row)),
            "entry": _entry(row),
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
        lines = progress.progress_lines(row.backend_id, row.name)
        answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
        answer["Cache-Control"] = "no-store"
        return answer


def _entry(row: DiscoveredModel) -> str:
    """The backend's own entry, indented, as far as a page can hold it."""
    text = json.dumps(row.entry, indent=2, ensure_ascii=False) if row.entry else ""
    return text if len(text) <= LONGEST_ENTRY else f"{text[:LONGEST_ENTRY]} …"


def _facts(row: DiscoveredModel) -> Iterator[ModelFactRow]:
    for name, label in _LABELS.items():
        reported, probed = getattr(row, name), row.probed.get(name)
        override = getattr(row, f"{name}_override")
        known = (("you", override), ("the probe", probed), ("its list", reported))
        by = next((whose for whose, value in known if value is not None), "")
        shown = (formatting.fact(value) for value in (reported, probed, override))
        yield ModelFactRow(label, formatting.fact(row.fact(name)), by, *shown)


@admin.register(LearnedFact)
class LearnedFactAdmin(ModelAdmin):
    list_display = ("habit", "place", "helped", "learnt", "checked")
    list_filter = ("backend", "what")
    list_select_related = ("backend",)
    search_fields = ("model", "value", "sentence")
    fields = ("backend", "model", "what", "value", "sentence", "since", "checked_at", "helped")
    readonly_fields = ("backend", "model", "what", "sentence", "since", "checked_at", "helped")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """They are learnt; what an operator knows belongs into the model's own row."""
        return False

    @display(description="habit", ordering="what")
    def habit(self, row: LearnedFact) -> str:
        return formatting.two_lines(f"{row.get_what_display()} {row.value}".rstrip(), row.sentence)

    @display(description="model", ordering="model")
    def place(self, row: LearnedFact) -> str:
        return formatting.two_lines(row.model or "All models", row.backend.name)

    @display(description="since", ordering="since")
    def learnt(self, row: LearnedFact) -> str:
        return formatting.moment(row.since)

    @display(description="checked at", ordering="checked_at")
    def checked(self, row: LearnedFact) -> str:
        return formatting.moment(row.checked_at)
