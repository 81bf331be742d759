"""Documents -> rows: how an imported file and a change that is taken back become rows again."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError

from bridge.models import (
    ApiKey,
    Backend,
    Change,
    ConfigRow,
    DiscoveredModel,
    Document,
    ModelAlias,
    Origin,
    Price,
    ToolNameMap,
)

KINDS: dict[str, type[ConfigRow]] = {
    model.KIND: model
    for model in (Backend, DiscoveredModel, ModelAlias, ToolNameMap, Price, ApiKey)
}
"""In the order in which rows can be made: what others name comes first."""

FROM_ENVIRONMENT = "comes from the environment; change the variable, or take the row over"


def find(model: type[ConfigRow], document: Document) -> ConfigRow | None:
    """The row that a document tells of."""
    found: ConfigRow | None = model._default_manager.filter(**model.lookup(document)).first()
    return found


def put(model: type[ConfigRow], document: Document, row: ConfigRow | None) -> ConfigRow:
    """Make `row`, or a new one, what the document says. Raises ValidationError by column."""
    new = row is None
    row = row or model()
    before = {} if new else row.document()
    row.fill(document)
    row.full_clean()
    taken_over = getattr(row, "origin", None) == Origin.ENVIRONMENT
    if taken_over:
        row.origin = Origin.OPERATOR  # type: ignore[attr-defined]
    if new or taken_over or row.document() != before:
        row.save()
    row.fill_parts(document)
    return row


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
    told: Any = change.before or change.after
    return row or find(model, told)


def outlook(change: Change) -> tuple[Document, Document]:
    """(document now, document after `revert`) of a change's row; empty where there is no row."""
    row = row_of(change)
    now = row.document() if row is not None else {}
    if change.before is None:
        return now, {}
    return now, (row or KINDS[change.kind]()).undone(change.before)
