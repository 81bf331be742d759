"""Taking changes back: the page that says beforehand what that does, and the act.

The page names the newest change that it knows of. When another one has come since, it is shown
again with that one instead of being obeyed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from bridge.admin.base import actor
from bridge.configuration.documents import KINDS, outlook, revert, revert_act, row_of
from bridge.models import ApiKey, Change
from bridge.models.change_words import Line, lines
from bridge.models.changes import recorded

KEY_STAYS = (
    "The key itself stays what it is now: an undo brings back no key, rotation, revocation or "
    "expiry that has passed."
)
KEY_IS_GONE = "The row comes back without its key, revoked. Rotate then makes a new one."
SHOWN_LATER = 50


@dataclass(frozen=True, slots=True)
class UndonePreview:
    """One row, and what an undo makes of it. `verb`: changes, comes back, is deleted, or stays."""

    change: Change
    lines: list[Line]
    verb: str
    later: list[Change]
    note: str = ""


def preview(change: Change) -> UndonePreview:
    """What taking this change back would do now."""
    now, then = outlook(change)
    verb = "is deleted" if not then else "changes" if now else "comes back"
    verb = "stays as it is" if now == then else verb
    later = list(change.later()[:SHOWN_LATER])
    return UndonePreview(change, lines(change.kind, now, then), verb, later, _note(change, then))


def _note(change: Change, then: dict[str, Any]) -> str:
    if KINDS[change.kind] is not ApiKey or not then:
        return ""
    return KEY_STAYS if row_of(change) is not None else KEY_IS_GONE


def newest(changes: Iterable[Change]) -> int:
    """The newest change of all rows that these changes are of."""
    found = 0
    for change in changes:
        last = change.later().values_list("pk", flat=True).first()
        found = max(found, last or change.pk)
    return found


def take_back(request: HttpRequest, changes: list[Change]) -> None:
    """Revert one change, or all of one step, and say how that went."""
    told = _done(changes)
    try:
        with recorded(actor(request)) as written:
            if len(changes) == 1:
                revert(changes[0])
            else:
                revert_act(changes)
    except ValidationError as error:
        messages.error(request, f"Not reverted: {' '.join(_told(error))}")
        return
    messages.success(request, _with_undo(told, written))


def _done(changes: list[Change]) -> str:
    """What is said when it is done; called before, when it can be seen what there is."""
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
