"""Taking changes back: what that would do, and the act. No undo makes an issued key good."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError

from bridge.configuration.documents import FROM_ENVIRONMENT, KINDS, find, put
from bridge.models import AdminToken, ApiKey, Change, ConfigRow, Document, Origin
from bridge.models.change_words import Line, lines
from bridge.models.ledger_marks import COSTS
from bridge.models.people.persons import GROUPS, SIGN_INS, USERS
from bridge.spans import exactly

KEY_STAYS = (
    "The key itself stays what it is now: an undo brings back no key, rotation, revocation or "
    "expiry that has passed."
)
KEY_IS_GONE = "The row comes back without its key, revoked. Rotate then makes a new one."
SHOWN_LATER = 50
NO_WAY_BACK = {
    USERS: "“{}” stays: no undo makes or changes a user, a role or a password. An admin changes "
    "those under Users.",
    GROUPS: "“{}” stays: no undo gives or takes rights. An admin changes groups under Groups.",
    AdminToken.KIND: "“{}” stays: no undo makes a token good or ends one. Make another, or revoke "
    "it, under API tokens.",
    SIGN_INS: "“{}” is what happened, not a setting: nothing can be taken back. What still runs is "
    "ended under Sign-ins.",
    COSTS: "“{}” stays: costs are those of prices. Correct the price, and recompute the same hours "
    "with the requests that have a cost.",
}
"""Why changes of a kind have no undo; the gap is for the change."""


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


def refusal(changes: Sequence[Change]) -> str:
    """Why these changes, of one act, are not taken back; "" where they may be."""
    for change in changes:
        if words := NO_WAY_BACK.get(change.kind):
            return words.format(change)
    undone = [change.taken_back() for change in changes]
    if all(undone) and (last := undone[-1]) is not None:
        return f"It was taken back already, by {last.actor}, {exactly(last.at)}."
    return ""


def still_there(changes: Sequence[Change]) -> list[Change]:
    """Those that were not taken back by themselves."""
    return [change for change in changes if change.taken_back() is None]


def newest(changes: Iterable[Change]) -> int:
    """The newest change of all rows that these changes are of."""
    found = 0
    for change in changes:
        last = change.later().values_list("pk", flat=True).first()
        found = max(found, last or change.pk)
    return found


def revert(change: Change) -> ConfigRow | None:
    """Take a change back: its row becomes what it was before. Raises ValidationError."""
    model, row = KINDS[change.kind], row_of(change)
    if getattr(row, "origin", None) == Origin.ENVIRONMENT:
        raise ValidationError(f"{row} {FROM_ENVIRONMENT}")
    if change.before is None:
        if row is not None:
            row.remove()
        return None
    if row is not None:
        return put(model, row.undone(change.before), row)
    row = model()
    row.restore(change.before)
    row.pk = change.object_id
    row.full_clean()
    row.save(force_insert=True)
    row.fill_parts(change.before)
    return row


def revert_act(changes: Iterable[Change]) -> None:
    """Take back all changes of one step: first what others name comes back, then what named it
    goes. Raises ValidationError."""
    order = list(KINDS)
    found = sorted(changes, key=lambda change: order.index(change.kind))
    for change in found:
        if change.before is not None:
            revert(change)
    for change in reversed(found):
        if change.before is None:
            revert(change)


def row_of(change: Change) -> ConfigRow | None:
    """The row that a change is of, or the one that has its name by now."""
    model = KINDS[change.kind]
    row: ConfigRow | None = model._default_manager.filter(pk=change.object_id).first()
    fields: Any = change.before or change.after
    return row or find(model, fields)


def outlook(change: Change) -> tuple[Document, Document]:
    """(document now, document after `revert`) of a change's row; empty where there is no row."""
    row = row_of(change)
    now = row.document() if row is not None else {}
    if change.before is None:
        return now, {}
    return now, (row or KINDS[change.kind]()).undone(change.before)
