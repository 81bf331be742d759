"""Keys of the gateway. A new one is shown once, on the page that answers the form."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views.decorators.debug import sensitive_post_parameters
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import ConfigAdmin, actor, page_of, post_only
from bridge.admin.people import bulk
from bridge.admin.people.teams import without_links
from bridge.admin.people.unpriced_use import unpriced_of
from bridge.keys.authentication import PREFIX, digest
from bridge.keys.client_address import client_address
from bridge.models import ApiKey, EndedKey, KeyUse
from bridge.models.changes import recorded
from bridge.models.people.keys import KeyKind
from bridge.spans import exactly

SHOWN_KEYS = 20

OVERLAPS = {"1": "an hour", "24": "a day", "168": "a week"}
"""Hours for which a rotated key may go on, and how that is called."""
ENDS_NOW = "0"
_COLOURS = {
    "good": "success",
    "expired": "danger",
    "switched off": "default",
    "revoked": "danger",
}
NOT_OURS = "This gateway never issued that key, or has forgotten it."


class ApiKeyForm(ModelForm):  # type: ignore[type-arg]
    """A new key must be good for something."""

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        if self.instance.pk is None and "expires_at" in self.cleaned_data:
            ApiKey(expires_at=self.cleaned_data["expires_at"]).check_new()
        return cleaned


@admin.register(ApiKey)
class ApiKeyAdmin(ConfigAdmin):
    list_display = (
        "name",
        "holder",
        "ends_in",
        "state",
        "limits",
        "expires",
        "created",
        "used",
    )
    list_select_related = ("person", "team")
    actions = ("enable", "disable", "move_to_team", "set_limits")
    list_before_template = "bridge/admin/find_key.html"
    form = ApiKeyForm
    list_filter = ("enabled", "team", "period")
    search_fields = ("name", "owner", "last_four", "person__username", "team__name")
    buttons = ("revoke", "rotate")
    empty = (
        "No key issued yet. A key of the gateway tells its holder from others, has limits, and "
        "spares them the backend's own."
    )
    fieldsets = (
        (None, {"fields": ("name", "owner", "enabled", "expires_at", "addresses")}),
        (
            "Whose limits hold too",
            {
                "fields": ("person", "team"),
                "description": "Of the limits of a key, its person and its team the tightest "
                "decides.",
            },
        ),
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
        ("What is kept of it", {"fields": ("sample_percent", "sample_until")}),
    )

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name in ("person", "team"):
            without_links(field)
        return field

    @display(description="owner", ordering="owner")
    def holder(self, row: ApiKey) -> str:
        whose = ", ".join(filter(None, (row.person_name, row.team_name)))
        if row.owner and whose:
            return formatting.two_lines(whose, row.owner)
        return whose or row.owner or "-"

    @display(description="key")
    def ends_in(self, row: ApiKey) -> str:
        return f"…{row.last_four}"

    @display(description="limits")
    def limits(self, row: ApiKey) -> str:
        return formatting.limits(row)

    @display(description="state")
    def state(self, row: ApiKey) -> str:
        return formatting.state(_COLOURS[row.state], row.state)

    @display(description="expires", ordering="expires_at")
    def expires(self, row: ApiKey) -> str:
        return formatting.moment(row.expires_at)

    @display(description="issued", ordering="created_at")
    def created(self, row: ApiKey) -> str:
        return formatting.moment(row.created_at)

    @display(description="last used")
    def used(self, row: Any) -> str:
        return formatting.moment(row.used_at)

    def get_queryset(self, request: HttpRequest) -> QuerySet[ApiKey]:
        uses = KeyUse.objects.filter(key_id=OuterRef("pk")).order_by("-last_at")
        newest = Subquery(uses.values("last_at")[:1])
        rows: QuerySet[ApiKey] = super().get_queryset(request).annotate(used_at=newest)
        return rows.filter(kind=KeyKind.ISSUED)

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
            "unpriced": unpriced_of(row),
            "keys": _keys_of(row),
            "address": self._address_seen(request, row),
        }

    def _address_seen(self, request: HttpRequest, row: ApiKey) -> str:
        """This visitor's address, where the key is for some only: an example to compare with."""
        peer, forwarded = (request.META.get(name, "") for name in _SEEN)
        found = client_address(peer, forwarded, settings.TRUST_FORWARDED_PROTO)
        return str(found or "") if row.addresses else ""

    # --- finding a key by itself ---

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(post_only(self.find_view))
        return [path("find/", view, name="bridge_apikey_find"), *super().get_urls()]

    @method_decorator(sensitive_post_parameters("key"))
    def find_view(self, request: HttpRequest) -> HttpResponse:
        """The row of a pasted key, which stands in the form's body and nowhere else."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._found(request, request.POST.get("key", ""))

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        """A key that was pasted into the search box is looked for, and gone from the address."""
        sought = request.GET.get("q", "").strip()
        if sought.startswith(PREFIX):
            return self._found(request, sought)
        return super().changelist_view(request, extra_context)

    def _found(self, request: HttpRequest, text: str) -> HttpResponse:
        sought = digest(text.strip())
        row = ApiKey.objects.filter(Q(digest=sought) | Q(former_digest=sought)).first()
        ended = EndedKey.objects.filter(digest=sought).first()
        owner = row or (ApiKey.objects.filter(pk=ended.key_id).first() if ended else None)
        if ended is not None:
            since = exactly(ended.ended_at)
            what = f"The key …{ended.last_four} of {ended.name} is not good any more: "
            messages.warning(request, f"{what}{ended.get_why_display()}, {since}.")
        elif row is not None and row.former_digest == sought:
            messages.warning(request, f"This is the key that {row.name} had before its rotation.")
        elif row is None:
            messages.error(request, NOT_OURS)
        return redirect(page_of(owner) if owner else "admin:bridge_apikey_changelist")

    # --- what can be done to ticked rows ---

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        revoked = [row.name for row in rows if row.revoked_at is not None]
        if revoked:
            messages.warning(request, f"Revoked for good: {', '.join(revoked)}.")
        self._set_enabled(request, rows.filter(revoked_at=None), True)

    @admin.action(description="Disable", permissions=["change"])
    def disable(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> None:
        self._set_enabled(request, rows, False)

    def _set_enabled(self, request: HttpRequest, rows: QuerySet[ApiKey], is_good: bool) -> None:
        changed = [row for row in rows if row.enabled != is_good]
        for row in changed:
            row.enabled = is_good
            row.save()
        word = "enabled" if is_good else "disabled"
        messages.success(request, f"{_counted(len(changed))} {word}.")

    @admin.action(description="Move to a team…", permissions=["change"])
    def move_to_team(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> Any:
        return self._in_bulk(request, rows, "move_to_team", bulk.TeamForm)

    @admin.action(description="Set limits…", permissions=["change"])
    def set_limits(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> Any:
        return self._in_bulk(request, rows, "set_limits", bulk.LimitsForm)

    def _in_bulk(
        self,
        request: HttpRequest,
        rows: QuerySet[ApiKey],
        action: str,
        kind: type[bulk.BulkForm],
    ) -> HttpResponse | None:
        form = bulk.form_or_page(request, rows, action, kind, self.admin_site.each_context(request))
        if isinstance(form, HttpResponse):
            return form
        for row in rows:
            form.change(row)
            row.save()
        messages.success(request, f"{_counted(len(rows))} changed.")
        return None

    def revoke(self, request: HttpRequest, row: ApiKey) -> None:
        with recorded(actor(request)):
            row.revoke()
        messages.success(request, f"{row.name} is revoked: its next request is refused.")

    def rotate(self, request: HttpRequest, row: ApiKey) -> HttpResponse:
        """A new key; the old one stays good for the chosen time."""
        hours = request.POST.get("overlap", "")
        if hours not in (ENDS_NOW, *OVERLAPS):
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


def _counted(number: int) -> str:
    return "1 key is" if number == 1 else f"{number} keys are"


_SEEN = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR")


@dataclass(frozen=True, slots=True)
class KeyOfRow:
    """One of the keys that a row has or had, as its page shows it."""

    four: str
    state: str
    used_at: datetime | None


def _keys_of(row: ApiKey) -> list[KeyOfRow]:
    """The keys of a row, its present one first, each with its last use."""
    uses = KeyUse.objects.filter(key_id=row.pk).values_list("last_four", "last_at")
    used = dict(uses)
    found = {row.last_four: "revoked" if row.revoked_at else "the present key"}
    if row.former_digest and row.former_until is not None:
        good = row.former_until > timezone.now()
        until = exactly(row.former_until)
        found[row.former_four] = f"the one before, good until {until}" if good else f"ended {until}"
    for ended in EndedKey.objects.filter(key_id=row.pk)[:SHOWN_KEYS]:
        since = exactly(ended.ended_at)
        found.setdefault(ended.last_four, f"{ended.get_why_display()}, {since}")
    return [KeyOfRow(four, state, used.get(four)) for four, state in found.items()]
