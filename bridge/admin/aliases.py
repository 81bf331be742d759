"""Aliases with their targets; where a name leads; how to set a client up for one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html, format_html_join
from unfold.decorators import display

from bridge.admin import formatting, route_explanation
from bridge.admin.base import ConfigAdmin, actor, page_of
from bridge.admin.fields import alias_targets
from bridge.admin.fields.alias_targets import TargetInline
from bridge.admin.fields.described_request import DescribedRequestForm
from bridge.admin.fields.verdicts import HELP, VerdictsField
from bridge.configuration.snapshot import current_routes
from bridge.models import AliasTarget, DiscoveredModel, ModelAlias
from bridge.models.changes import recorded
from bridge.pages import client_settings
from bridge.routing import resolve
from bridge.routing.conditions import RequestTraits
from bridge.translation import safeguards
from bridge.translation.errors.api_error import ApiError
from bridge.translation.request.purpose import AGENT_TYPES, JUDGE

COPY = "{} copy"
NO_JUDGE = (
    "The judge “{}” leads nowhere now: until it does, tool calls are answered as not checked."
)


@admin.register(ModelAlias)
class ModelAliasAdmin(ConfigAdmin):
    list_display = ("pattern", "leads_to", "overrides", "state", "source")
    list_filter = ("enabled", "targets__backend", "origin")
    search_fields = ("pattern", "targets__model")
    inlines = (TargetInline,)
    buttons = ("duplicate",)
    list_before_template = "bridge/admin/alias_tools.html"
    change_form_template = "bridge/admin/alias_form.html"
    unset = {
        "thinking": "As in the request",
        "thinking_when_absent": "By client",
    }
    empty = (
        "No alias yet: clients name models as the backends do. An alias gives them another name, "
        "such as claude-sonnet-*, with one target or several."
    )
    fieldsets = (
        (None, {"fields": ("pattern", "enabled")}),
        (
            "Whatever the request has",
            {
                "fields": (
                    "thinking",
                    "thinking_when_absent",
                    "temperature",
                    "max_tokens",
                    "system_prefix",
                    "extra",
                    "safeguards",
                )
            },
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[ModelAlias]:
        rows: QuerySet[ModelAlias] = super().get_queryset(request)
        targets = AliasTarget.objects.select_related("backend")
        return rows.prefetch_related(Prefetch("targets", targets))

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "safeguards":
            return VerdictsField(label="Verdicts for auto mode", help_text=HELP)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        routes = current_routes()
        saved = (alias for alias in routes.aliases if alias.id == form.instance.pk)
        for text in (text for alias in saved for text in alias_targets.warnings(routes, alias)):
            messages.warning(request, text)
        judge = safeguards.judge_model(form.instance.safeguards)
        if judge and route_explanation.decide(routes, judge, RequestTraits(JUDGE)).error:
            messages.warning(request, NO_JUDGE.format(judge))

    @display(description="leads to")
    def leads_to(self, row: ModelAlias) -> str:
        shown = [(t.backend.name, t.model, _share(t)) for t in row.targets.all()]
        if not shown:
            return formatting.state("danger", "nowhere")
        lines = format_html_join("", "<span>{}: {}{}</span>", shown)
        return format_html('<span class="gw-targets">{}</span>', lines)

    @display(description="state", ordering="enabled")
    def state(self, row: ModelAlias) -> str:
        return (
            formatting.state("success", "on") if row.enabled else formatting.state("default", "off")
        )

    @display(description="overrides")
    def overrides(self, row: ModelAlias) -> str:
        labels = [row.thinking and f"thinking {row.thinking}"]
        absent = row.thinking_when_absent
        labels += [f"thinking when absent: {absent}" if absent else ""]
        labels += [f"temperature {row.temperature:g}" if row.temperature is not None else ""]
        labels += [f"at most {formatting.number(row.max_tokens)} tokens" if row.max_tokens else ""]
        labels += ["system prefix" if row.system_prefix else ""]
        labels += [f"extra {', '.join(row.extra)}" if row.extra else ""]
        labels += [f"verdicts: {row.safeguards}" if row.safeguards else ""]
        return ", ".join(filter(None, labels)) or "-"

    def panel(self, request: HttpRequest, row: ModelAlias) -> dict[str, Any]:
        return {"template": "bridge/admin/alias_panel.html"}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        listed = DiscoveredModel.objects.filter(listed=True, backend__enabled=True)
        context["models"] = listed.values_list("name", "backend__name").order_by("name")
        context["judges"] = sorted(resolve.known_names(current_routes()))
        return super().render_change_form(request, context, *args, **kwargs)

    def duplicate(self, request: HttpRequest, row: ModelAlias) -> HttpResponse:
        """A second alias with the same targets, switched off until it has its name."""
        name = COPY.format(row.pattern)
        while ModelAlias.objects.filter(pattern=name).exists():
            name = COPY.format(name)
        with recorded(actor(request)):
            document = {**row.document(), "pattern": name, "enabled": False}
            copy = ModelAlias()
            copy.fill(document)
            copy.save()
            copy.fill_parts(document)
        messages.success(request, "This is the copy. Give it its name and switch it on.")
        return HttpResponseRedirect(page_of(copy))

    # --- two pages about names ---

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        return [
            path("route/", wrap(self.route_view), name="bridge_route"),
            path("client/", wrap(self.client_view), name="bridge_client"),
            *super().get_urls(),
        ]

    def _page(self, request: HttpRequest, template: str, **context: Any) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        shared = self.admin_site.each_context(request)
        return TemplateResponse(request, template, {**shared, **context})

    def route_view(self, request: HttpRequest) -> HttpResponse:
        """Where a request for a model name would go, step by step."""
        name = request.GET.get("model", "").strip()
        session = request.GET.get("session", "").strip()
        routes = current_routes()
        described = DescribedRequestForm(request.GET)
        context: dict[str, Any] = {
            "known": list(resolve.known_names(routes)),
            "agent_types": AGENT_TYPES,
            "asked": name,
            "session": session,
            "described": described,
        }
        if described.is_valid() and name:
            decision = route_explanation.decide(routes, name, described.traits(), session)
            alias = ModelAlias.objects.filter(pattern=decision.alias).first()
            context |= {"decision": decision, "alias": alias}
            context["overrides"] = self.overrides(alias) if alias and decision.overrides else ""
        return self._page(
            request, "bridge/admin/route.html", title="Where does a name lead?", **context
        )

    def client_view(self, request: HttpRequest) -> HttpResponse:
        """Ready settings for clients, by default for the main model."""
        name, small = (request.GET.get(field, "").strip() for field in ("model", "small"))
        routes = current_routes()
        page: dict[str, Any] = {
            "known": list(resolve.known_names(routes)),
            "asked": name,
            "small": small,
        }
        found = resolve.explain(routes, name)[1] if name else None
        if isinstance(found, ApiError):
            page["error"] = found.message
        else:
            page |= client_settings.context(request, routes, name=name, small=small)
        return self._page(request, "bridge/admin/client.html", title="Client settings", **page)


def _share(target: AliasTarget) -> str:
    labels = [f"weight {target.weight}" if target.weight != 1 else ""]
    labels += [f"position {target.position}" if target.position else ""]
    conditions = ", ".join(target.conditions.labels())
    labels += [f"only for {conditions}" if conditions else ""]
    shown = ", ".join(filter(None, labels))
    return f" ({shown})" if shown else ""
