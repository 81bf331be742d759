"""Backends: their health at a glance, and the buttons that act on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from unfold.decorators import display

from bridge.admin import backend_actions, formatting
from bridge.admin.base import ConfigAdmin, actor
from bridge.admin.fields.sealed import SealedForm
from bridge.backends.status import of_row
from bridge.configuration.snapshot import profile_of
from bridge.models import Backend, BreakerMode, DiscoveredModel
from bridge.models.attempts import attempts_since
from bridge.models.changes import recorded
from bridge.translation.profiles import PROFILES

FIELDSETS: Any = (
    (None, {"fields": ("name", "url", "credential", "enabled")}),
    ("How to talk to it", {"fields": ("family", "auth_header")}),
    ("How much it gets", {"fields": ("position", "weight", "prefers_own_cost")}),
    ("How long to wait", {"fields": ("timeout_seconds", "idle_seconds", "breaker_mode")}),
)


class BackendForm(SealedForm):
    """A backend. The stored key does not leave the server."""

    SEALED = {"credential": "key"}

    class Meta:
        model = Backend
        fields = flatten_fieldsets(FIELDSETS)


@admin.register(Backend)
class BackendAdmin(ConfigAdmin):
    form = BackendForm
    list_display = ("place", "state", "model_count", "family_name", "key", "share", "source")
    list_filter = ("enabled", "breaker_mode", "family", "origin")
    list_select_related = ("breaker",)
    search_fields = ("name", "url")
    actions = ("force_open", "force_closed", "automatic", "reset")
    buttons = ("force_open", "force_closed", "automatic", "reset", "refresh", "test")
    empty = (
        "No backend yet, so the gateway answers with its built-in demo. An address and a key are "
        "enough for a real one."
    )
    fieldsets = FIELDSETS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backend]:
        rows: QuerySet[Backend] = super().get_queryset(request)
        listed = DiscoveredModel.objects.only("backend", "entry", "listed")
        rows = rows.prefetch_related(Prefetch("models", listed))
        return rows.annotate(listed_models=Count("models", filter=Q(models__listed=True)))

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look reads of the key what the list shows; the column is sealed text."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        fields = ("name", "url", "key", "enabled")
        return ((None, {"fields": fields}), *FIELDSETS[1:])

    # --- columns ---

    @display(description="backend", ordering="name")
    def place(self, row: Backend) -> str:
        return formatting.two_lines(row.name, row.url)

    @display(description="state")
    def state(self, row: Backend) -> str:
        status = of_row(row)
        return formatting.state(formatting.colour(status.tone), status.word)

    @display(description="family", ordering="family")
    def family_name(self, row: Backend) -> str:
        return family_of(row)

    @display(description="models", ordering="listed_models")
    def model_count(self, row: Any) -> str:
        return formatting.number(row.listed_models)

    @display(description="API key")
    def key(self, row: Backend) -> str:
        return row.key_hint

    @display(description="position", ordering="position")
    def share(self, row: Backend) -> str:
        if row.weight == 1:
            return str(row.position)
        return format_html("{}, weight {}", row.position, row.weight)

    # --- the head of a backend's page ---

    def panel(self, request: HttpRequest, row: Backend) -> dict[str, Any]:
        return {
            "template": "bridge/admin/backend_panel.html",
            "status": of_row(row),
            "family": family_of(row),
            "threshold": settings.BREAKER_FAILURES,
            "models": row.models.filter(listed=True).count(),
            "attempts": attempts_since(timezone.now() - timedelta(days=1)).get(row.name),
        }

    def goes_along(self, row: Backend) -> list[str]:
        count = row.models.count()
        lines = [f"what is known of its {count} models"] if count else []
        lost = row.targets.select_related("alias").order_by("alias__pattern", "pk")
        return lines + [f"target {target.model} of alias {target.alias}" for target in lost]

    # --- what can be done: to ticked rows from the list, to one from its page ---

    @admin.action(description="Breaker: force open", permissions=["change"])
    def force_open(self, request: HttpRequest, rows: Any) -> None:
        self._set_mode(request, rows, BreakerMode.OPEN)

    @admin.action(description="Breaker: force closed", permissions=["change"])
    def force_closed(self, request: HttpRequest, rows: Any) -> None:
        self._set_mode(request, rows, BreakerMode.CLOSED)

    @admin.action(description="Breaker: automatic", permissions=["change"])
    def automatic(self, request: HttpRequest, rows: Any) -> None:
        self._set_mode(request, rows, BreakerMode.AUTOMATIC)

    @admin.action(description="Breaker: reset", permissions=["change"])
    def reset(self, request: HttpRequest, rows: Any) -> None:
        for row in _each(rows):
            backend_actions.reset_breaker(row)
            messages.success(request, f"{row}: failures forgotten, breaker closed.")

    def refresh(self, request: HttpRequest, row: Backend) -> None:
        _tell(request, backend_actions.refresh_models(row))

    def test(self, request: HttpRequest, row: Backend) -> None:
        for result in backend_actions.test_backend(row):
            _tell(request, result)

    def _set_mode(self, request: HttpRequest, rows: Any, mode: BreakerMode) -> None:
        with recorded(actor(request)):
            for row in _each(rows):
                row.breaker_mode = mode
                row.save()
                messages.success(request, f"{row}: circuit breaker {mode.label.lower()}.")


def family_of(row: Backend) -> str:
    """The family that requests to it are made for, and whether it was found out."""
    name = profile_of(row, list(row.models.all())).name
    return name if row.family in PROFILES else f"{name}, detected"


def _each(rows: Any) -> list[Backend]:
    return [rows] if isinstance(rows, Backend) else list(rows)


def _tell(request: HttpRequest, result: backend_actions.ActionResult) -> None:
    messages.add_message(request, messages.SUCCESS if result.well else messages.ERROR, result.text)
