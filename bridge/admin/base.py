"""What all configuration rows share in the admin.

Rows from the environment are read-only and can be taken over. Every change is one entry of the
history, written in the same transaction, and can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, ClassVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import NullBooleanSelect, SplitDateTimeField, Textarea
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.text import capfirst
from unfold.admin import ModelAdmin
from unfold.decorators import display

from bridge.configuration.documents import FROM_ENVIRONMENT, KINDS
from bridge.models import Change, ConfigRow, Origin
from bridge.models.changes import recorded

SHOWN_CHANGES = 100
ROWS_OF_TEXT = 3


def post_only(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A button's target: links and prefetching browsers must not press it."""

    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        return view(request, *args, **kwargs)

    return guarded


def actor(request: HttpRequest) -> str:
    """Who is named in the history."""
    return request.user.get_username()


class RecordedPages:
    """Every form that is saved, every deletion and every bulk action is one act of the history."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        with _recorded(request):
            return super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        with _recorded(request) as written:
            answer = super().changelist_view(request, extra_context)  # type: ignore[misc]
        _offer_undo(request, written)
        return answer

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> Any:
        with _recorded(request) as written:
            answer = super().delete_view(request, object_id, extra_context)  # type: ignore[misc]
        _offer_undo(request, written)
        return answer


class ConfigAdmin(RecordedPages, ModelAdmin):
    """Base of the admin's pages for configuration rows.

    buttons      methods of (request, row) that the page of a row offers as POST targets, at
                 ``ID/do/NAME/``; each returns where to go, or None for the row's page
    unset       field -> what an empty choice of it means
    empty        what an empty list says: what will stand there, and why
    empty_link   (name of a page, its title) where that is brought about, if not by adding a row
    """

    buttons: ClassVar[tuple[str, ...]] = ()
    unset: ClassVar[dict[str, str]] = {}
    empty: ClassVar[str] = ""
    empty_link: ClassVar[tuple[str, str] | None] = None
    change_form_outer_before_template: str | None = "bridge/admin/panel.html"
    warn_unsaved_form = True
    list_filter_submit = False
    list_per_page = 50

    # --- rows from the environment ---

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not from_environment(obj) and bool(super().has_change_permission(request, obj))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not from_environment(obj) and bool(super().has_delete_permission(request, obj))

    def may_operate(self, request: HttpRequest) -> bool:
        """Whether this user may change rows of this kind at all."""
        return bool(super().has_change_permission(request))

    @display(description="from", ordering="origin")
    def source(self, row: Any) -> str:
        return str(row.get_origin_display()).lower()

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What the page asks about: each row with what goes along, not every row below it."""
        rows = list(objs)
        lines = [line for row in rows for line in (str(row), self.goes_along(row)) if line]
        counts = {str(self.opts.verbose_name_plural): len(rows)}
        own = [row for row in rows if not from_environment(row)]
        may = all(self.has_delete_permission(request, row) for row in own)
        fixed = [f"{row} {FROM_ENVIRONMENT}" for row in rows if row not in own]
        return lines, counts, set() if may else {self.opts.verbose_name}, fixed

    def goes_along(self, row: Any) -> list[str]:
        """What vanishes with a row."""
        return []

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Rows of the environment stay, whatever was ticked."""
        if hasattr(self.model, "origin"):
            queryset = queryset.exclude(origin=Origin.ENVIRONMENT)
        super().delete_queryset(request, queryset)

    def take_over(self, request: HttpRequest, row: Any) -> None:
        row.origin = Origin.OPERATOR
        row.save()
        messages.success(request, f"{row} is yours now; the environment no longer changes it.")

    # --- forms ---

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Choices that are empty say what that means; text boxes are small and can be drawn."""
        field: Any = super().formfield_for_dbfield(db_field, request, **kwargs)
        unset = self.unset.get(db_field.name)
        if unset and isinstance(field.widget, NullBooleanSelect):
            known: list[Any] = list(field.widget.choices)
            field.widget.choices = [("unknown", unset), *known[1:]]
        elif unset:
            field.choices = [("", unset), *field.choices[1:]]
        elif field is not None and isinstance(field.widget, Textarea):
            field.widget.attrs["rows"] = ROWS_OF_TEXT
        elif isinstance(field, SplitDateTimeField):
            _name_parts(field)
            zone = f"In {timezone.get_current_timezone_name()}."
            field.help_text = f"{field.help_text} {zone}".strip()
        return field

    # --- history ---

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What happened to a row, newest first; deleted rows have a history, too."""
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if not object_id.isdecimal():
            raise Http404
        row = self.model._default_manager.filter(pk=object_id).first()
        changes = list(_changes_of(self.model, int(object_id)))
        if row is None and not changes:
            raise Http404
        may_revert = self.may_operate(request) and not from_environment(row)
        context = {
            **self.admin_site.each_context(request),
            "title": f"{self.opts.verbose_name} {row or changes[0].label}: history",
            "menu_link": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            "row": row,
            "page": page_of(row) if row else "",
            "changes": changes,
            "revertible": [change.pk for change in changes] if may_revert else [],
            "next": request.path,
        }
        return TemplateResponse(request, "bridge/admin/history.html", context)

    # --- buttons ---

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(post_only(self._press))
        return [path("<path:object_id>/do/<slug:button>/", view, name=name), *super().get_urls()]

    def _press(self, request: HttpRequest, object_id: str, button: str) -> HttpResponse:
        row = get_object_or_404(self.model, pk=object_id)
        if button not in (*self.buttons, "take_over") or not self.may_operate(request):
            raise PermissionDenied
        answer: HttpResponse | None = getattr(self, button)(request, row)
        return answer or HttpResponseRedirect(asked_from(request, page_of(row)))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        row = kwargs.get("obj")
        if row is not None and row.pk:
            may = self.may_operate(request)
            context["panel"] = self.panel(request, row) | {
                "may_operate": may,
                "may_take_over": may and from_environment(row),
                "do": reverse(
                    f"admin:{self.opts.app_label}_{self.opts.model_name}_do", args=[row.pk, "NAME"]
                ).removesuffix("NAME/"),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def panel(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What the head of a row's page shows: `template`, and what that needs."""
        return {}


def asked_from(request: HttpRequest, otherwise: str) -> str:
    """The page of ours that a form or link names as `next`; else the one that is given."""
    address: str = request.POST.get("next") or request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, request.is_secure())
    return address if is_ours else otherwise


def undo_offered(text: str, written: list[Change]) -> str:
    """The sentence, with the way back from these entries of one act."""
    if not written:
        return text
    whole = "?whole=1" if len(written) > 1 else ""
    address = reverse("admin:bridge_change_revert", args=[written[0].pk]) + whole
    return format_html('{} <a class="gw-undo" href="{}">Undo</a>', text, address)


def _offer_undo(request: HttpRequest, written: list[Change] | None) -> None:
    """After a deletion or a bulk action: all of it is taken back at once."""
    if written and all(change.kind in KINDS for change in written):
        size = len(written)
        text = "1 change." if size == 1 else f"{size} changes in one step."
        messages.info(request, undo_offered(text, written))


def from_environment(row: Any) -> bool:
    return getattr(row, "origin", None) == Origin.ENVIRONMENT


def page_of(row: Any) -> str:
    """The address of a row's page."""
    opts = row._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[row.pk])


def _changes_of(model: type[ConfigRow], object_id: int) -> QuerySet[Change]:
    """The newest changes of a row, or of the one that had this number."""
    return Change.objects.filter(kind=model.KIND, object_id=object_id)[:SHOWN_CHANGES]


def _recorded(request: HttpRequest) -> Any:
    """Only what can change something takes the transaction: it locks SQLite for writers."""
    return recorded(actor(request)) if request.method == "POST" else nullcontext()


def _name_parts(field: SplitDateTimeField) -> None:
    """The label of the field belongs to neither of its two inputs."""
    parts: Any = field.widget
    for widget, what in zip(parts.widgets, ("date", "time"), strict=True):
        widget.attrs["aria-label"] = f"{capfirst(str(field.label))}, {what}"
