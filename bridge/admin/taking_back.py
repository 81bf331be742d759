"""Taking an act of the history back, or one change of it: the page that asks, and the deed."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from bridge.admin.base import actor, asked_from, undo_offered
from bridge.configuration import undo
from bridge.configuration.documents import KINDS
from bridge.configuration.undo import revert, revert_act, row_of
from bridge.models import ApiKey, Change
from bridge.models.changes import recorded

SHOWN_PREVIEWS = 50
OFTEN = 409
"""Status of what was done already."""


def page(request: HttpRequest, change: Change, around: dict[str, Any]) -> HttpResponse:
    """What taking a change back would do, with `whole` its whole act; done when that page is
    answered. `around`: what every page of the admin has."""
    whole = "whole" in request.GET or "whole" in request.POST
    changes = list(change.of_one_act()) if whole else [change]
    _check_rights(request, changes)
    if reason := undo.refusal(changes):
        return _refused(request, change, reason, around)
    changes = undo.still_there(changes)
    latest = undo.newest(changes)
    back = reverse("admin:bridge_change_changelist")
    if request.method == "POST" and request.POST.get("latest") == str(latest):
        take_back(request, changes)
        return HttpResponseRedirect(asked_from(request, back))
    size = change.of_one_act().count()
    context = {
        **around,
        "title": f"Take back: {change.label} {change.verb}",
        "change": change,
        "previews": [undo.preview(each) for each in changes[:SHOWN_PREVIEWS]],
        "hidden": max(0, len(changes) - SHOWN_PREVIEWS),
        "others": size - 1,
        "whole": whole,
        "latest": latest,
        "moved_on": request.method == "POST" and "latest" in request.POST,
        "next": asked_from(request, back),
    }
    return TemplateResponse(request, "bridge/admin/undo.html", context)


def _check_rights(request: HttpRequest, changes: list[Change]) -> None:
    """Raises PermissionDenied. What has no undo at all is refused with its reason instead."""
    if not all(may_revert(request, each) for each in changes if each.kind in KINDS):
        raise PermissionDenied


def _refused(
    request: HttpRequest, change: Change, reason: str, around: dict[str, Any]
) -> HttpResponse:
    context = {
        **around,
        "title": f"Not taken back: {change.label} {change.verb}",
        "refusal": reason,
        "entry": reverse("admin:bridge_change_change", args=[change.pk]),
    }
    status = OFTEN if change.kind in KINDS else 403
    return TemplateResponse(request, "bridge/admin/undo.html", context, status=status)


def may_revert(request: HttpRequest, change: Change) -> bool:
    """Whoever may change rows of this kind may take their changes back."""
    if change.kind not in KINDS:
        return False
    opts = KINDS[change.kind]._meta
    return request.user.has_perm(f"{opts.app_label}.change_{opts.model_name}")


def take_back(request: HttpRequest, changes: list[Change]) -> None:
    """Revert one change, or all of one step, and say how that went."""
    message = _done(changes)
    try:
        with recorded(actor(request), takes_back=changes[0].act) as written:
            if len(changes) == 1:
                revert(changes[0])
            else:
                revert_act(changes)
    except ValidationError as error:
        messages.error(request, f"Not reverted: {' '.join(_told(error))}")
        return
    messages.success(request, undo_offered(message, written))


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


def _told(error: ValidationError) -> list[str]:
    """What is wrong, each with the field where there is one."""
    if not hasattr(error, "error_dict"):
        return error.messages
    return [f"{name}: {' '.join(texts)}" for name, texts in error.message_dict.items()]
