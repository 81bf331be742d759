"""The history of all changes, deleted rows included, and the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.admin import formatting
from bridge.admin.base import actor, asked_from, from_environment
from bridge.configuration import undo
from bridge.configuration.documents import KINDS, NEVER_UNDONE, named, named_many
from bridge.configuration.undo import revert, revert_act, row_of
from bridge.models import ApiKey, Change, ConfigRow
from bridge.models.changes import recorded

_COLOURS = {"added": "success", "changed": "info", "deleted": "danger"}
SHOWN_PREVIEWS = 50


class KindFilter(admin.AllValuesFieldListFilter):
    """Kinds of rows by the names that the menu has for them."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        for choice in super().choices(changelist):
            yield {**choice, "display": named_many(str(choice["display"]))}


@admin.register(Change)
class ChangeAdmin(ModelAdmin):
    list_display = ("what", "kind_of", "done", "fields_changed", "actor", "when")
    list_filter = (("kind", KindFilter), "actor", "at")
    search_fields = ("label", "actor")
    list_per_page = 50
    empty = (
        "No changes yet. Whatever is changed here, by an imported file or by the environment will "
        "be listed, with who changed it and a button to take it back."
    )

    # --- columns ---

    @display(description="what", ordering="label")
    def what(self, change: Change) -> str:
        return change.label

    @display(description="kind", ordering="kind")
    def kind_of(self, change: Change) -> str:
        return named(change.kind)

    @display(description="change")
    def done(self, change: Change) -> str:
        return formatting.state(_COLOURS.get(change.verb, "default"), change.verb)

    @display(description="what changed")
    def fields_changed(self, change: Change) -> str:
        return change.summary

    @display(description="when", ordering="pk")
    def when(self, change: Change) -> str:
        return formatting.moment(change.at)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.revert_view)
        return [
            path("<int:pk>/revert/", view, name="bridge_change_revert"),
            *super().get_urls(),
        ]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """One change, with what it changed."""
        change = get_object_or_404(Change, pk=object_id)
        if not self.has_view_permission(request, change):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "title": f"{named(change.kind)} {change}",
            "changes": [change],
            "may_revert": may_revert(request, change) and not from_environment(_row_of(change)),
            "history": _history_of(change),
            "next": reverse("admin:bridge_change_changelist"),
        }
        return TemplateResponse(request, "bridge/admin/history.html", context)

    def revert_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What taking a change back would do; done when that page is answered."""
        change = get_object_or_404(Change, pk=pk)
        whole = "whole" in request.GET or "whole" in request.POST
        changes = list(change.of_one_act()) if whole else [change]
        if not all(may_revert(request, each) for each in changes):
            raise PermissionDenied
        latest = undo.newest(changes)
        back = reverse("admin:bridge_change_changelist")
        if request.method == "POST" and request.POST.get("latest") == str(latest):
            take_back(request, changes)
            return HttpResponseRedirect(asked_from(request, back))
        others = 0 if whole else change.of_one_act().exclude(pk=pk).count()
        context = {
            **self.admin_site.each_context(request),
            "title": f"Take back: {change.label} {change.verb}",
            "previews": [undo.preview(each) for each in changes[:SHOWN_PREVIEWS]],
            "hidden": max(0, len(changes) - SHOWN_PREVIEWS),
            "others": others,
            "whole": whole,
            "latest": latest,
            "moved_on": request.method == "POST" and "latest" in request.POST,
            "next": asked_from(request, back),
        }
        return TemplateResponse(request, "bridge/admin/undo.html", context)


def may_revert(request: HttpRequest, change: Change) -> bool:
    """Whoever may change rows of this kind may take their changes back."""
    if change.kind in NEVER_UNDONE:
        return False
    opts = KINDS[change.kind]._meta
    return request.user.has_perm(f"{opts.app_label}.change_{opts.model_name}")


def _row_of(change: Change) -> ConfigRow | None:
    if change.kind in NEVER_UNDONE:
        return None
    found: ConfigRow | None = (
        KINDS[change.kind]._default_manager.filter(pk=change.object_id).first()
    )
    return found


def _history_of(change: Change) -> str:
    """The address of all changes of the same row."""
    if change.kind in NEVER_UNDONE:
        return ""
    opts = KINDS[change.kind]._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_history", args=[change.object_id])


# --- the act --------------------------------------------------------------------------------------


def take_back(request: HttpRequest, changes: list[Change]) -> None:
    """Revert one change, or all of one step, and say how that went."""
    message = _done(changes)
    try:
        with recorded(actor(request)) as written:
            if len(changes) == 1:
                revert(changes[0])
            else:
                revert_act(changes)
    except ValidationError as error:
        messages.error(request, f"Not reverted: {' '.join(_told(error))}")
        return
    messages.success(request, _with_undo(message, written))


def _done(changes: list[Change]) -> str:
    """The message for afterwards; called before, while the rows can still be read."""
    if len(changes) > 1:
        return f"{len(changes)} changes of one step are taken back."
    (change,) = changes
    if change.before is None:
        return f"{change.label} is gone again."
    if KINDS[change.kind] is not ApiKey:
        return f"{change.label} is again as it was before."
    if row_of(change) is None:
        return f"{change.label} is back, revoked and without its key."
    return f"{change.label} is again as it was before, with the key that it has now."


def _with_undo(text: str, written: list[Change]) -> str:
    """The sentence, with the way back from the way back."""
    if not written:
        return text
    whole = "?whole=1" if len(written) > 1 else ""
    address = reverse("admin:bridge_change_revert", args=[written[0].pk]) + whole
    return format_html('{} <a class="gw-undo" href="{}">Undo</a>', text, address)


def _told(error: ValidationError) -> list[str]:
    """What is wrong, each with the field where there is one."""
    if not hasattr(error, "error_dict"):
        return error.messages
    return [f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
