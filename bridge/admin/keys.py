"""Keys of the gateway. A new one is shown once, on the page that answers the form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin, actor
from bridge.configuration import unpriced
from bridge.keys.limits import LimitKind, Quota, dollars
from bridge.ledger.pricing import usd
from bridge.models import ApiKey
from bridge.models.changes import recorded

OVERLAPS = {"0": "ends now", "1": "good for an hour", "24": "good for a day", "168": "for a week"}
"""Hours for which a rotated key may go on, and how that is called."""
_COLOURS = {"good": "success", "expired": "danger", "switched off": "default"}


def _quotas(row: ApiKey) -> list[str]:
    try:
        return [*map(_quota, row.limits().quotas)]
    except ValueError:
        return []  # named as a fault of the configuration


def _quota(quota: Quota) -> str:
    when = "in all" if quota.period == "total" else f"a {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        return f"{dollars(usd(quota.most))} {when}"
    return f"{formatting.number(quota.most)} tokens {when}"


class ApiKeyForm(ModelForm):  # type: ignore[type-arg]
    """A new key must be good for something."""

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if self.instance.pk is None and "expires_at" in self.cleaned_data:
            ApiKey(expires_at=self.cleaned_data["expires_at"]).check_new()
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ConfigAdmin):
    list_display = ("name", "owner", "ends_in", "state", "limits", "expires", "created")
    form = ApiKeyForm
    list_filter = ("enabled", "period")
    search_fields = ("name", "owner", "last_four")
    buttons = ("revoke", "rotate")
    empty = (
        "No key issued yet. A key of the gateway tells its holder from others, has limits, and "
        "spares them the backend's own."
    )
    fieldsets = (
        (None, {"fields": ("name", "owner", "enabled", "expires_at")}),
        (
            "What it may use",
            {
                "fields": ("allowed", "rpm", "tpm", "concurrent"),
                "description": "Empty limits are no limits.",
            },
        ),
        (
            "How much it may use",
            {
                "fields": (
                    "budget_usd",
                    "period",
                    "unpriced",
                    "tokens_day",
                    "tokens_week",
                    "tokens_month",
                ),
                "description": "A request reserves what it may cost, and gives back what it did "
                "not. Tokens count for models without a price too.",
            },
        ),
        ("What is kept of it", {"fields": ("sample_percent",)}),
    )

    @display(description="key")
    def ends_in(self, row: ApiKey) -> str:
        return f"…{row.last_four}"

    @display(description="limits")
    def limits(self, row: ApiKey) -> str:
        told = [f"{formatting.number(row.rpm)} requests/min" if row.rpm else ""]
        told += [f"{formatting.number(row.tpm)} tokens/min" if row.tpm else ""]
        told += [f"{row.concurrent} at once" if row.concurrent else ""]
        told += _quotas(row)
        return ", ".join(filter(None, told)) or "-"

    @display(description="state")
    def state(self, row: ApiKey) -> str:
        expired = row.expires_at is not None and row.expires_at <= timezone.now()
        word = "switched off" if not row.enabled else "expired" if expired else "good"
        return formatting.state(_COLOURS[word], word)

    @display(description="expires", ordering="expires_at")
    def expires(self, row: ApiKey) -> str:
        return formatting.moment(row.expires_at)

    @display(description="issued", ordering="created_at")
    def created(self, row: ApiKey) -> str:
        return formatting.moment(row.created_at)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: Any, change: bool) -> None:
        if not change:
            request.issued_key = obj.mint()  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._shown_once(request, obj, request.issued_key)  # type: ignore[attr-defined]

    def panel(self, request: HttpRequest, row: ApiKey) -> dict[str, Any]:
        return {
            "template": "bridge/admin/key_panel.html",
            "overlaps": OVERLAPS,
            "unpriced": unpriced.of_key(row),
        }

    def revoke(self, request: HttpRequest, row: ApiKey) -> None:
        with recorded(actor(request)):
            row.revoke()
        messages.success(request, f"{row.name} is revoked: its next request is refused.")

    def rotate(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """A new key; the old one stays good for the chosen time."""
        hours = request.POST.get("overlap", "")
        if hours not in OVERLAPS:
            raise PermissionDenied
        with recorded(actor(request)):
            text = row.rotate(timedelta(hours=int(hours)))
        return self._shown_once(request, row, text)

    def _shown_once(self, request: HttpRequest, row: ApiKey, text: str) -> HttpResponse:
        """The only page that ever shows a key: not stored, not in a message, not cached."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Key for {row.name}",
            "key": text,
            "row": row,
        }
        answer = TemplateResponse(request, "bridge/admin/issued.html", context)
        answer["Cache-Control"] = "no-store"
        return answer
