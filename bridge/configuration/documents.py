"""Documents -> rows: how an imported file and a change that is taken back become rows again."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db.models import Model

from bridge.models import (
    AdminToken,
    ApiKey,
    Backend,
    ConfigRow,
    DiscoveredModel,
    Document,
    GroupMapping,
    ModelAlias,
    Origin,
    PersonLimits,
    Price,
    Team,
    ToolNameMap,
    WarningRule,
)

KINDS: dict[str, type[ConfigRow]] = {
    model.KIND: model
    for model in (
        Backend,
        DiscoveredModel,
        ModelAlias,
        ToolNameMap,
        Price,
        Team,
        PersonLimits,
        GroupMapping,
        ApiKey,
        WarningRule,
    )
}
"""In the order in which rows can be made: what others name comes first."""

USERS = "users"
NEVER_UNDONE: dict[str, type[Model]] = {AdminToken.KIND: AdminToken, USERS: User}
"""What the history has beside them: who may do what. No undo touches it."""

FROM_ENVIRONMENT = "comes from the environment; change the variable, or take the row over"


def named(kind: str) -> type[Model]:
    """What the changes of this kind are of."""
    return KINDS.get(kind) or NEVER_UNDONE[kind]


def find(model: type[ConfigRow], document: Document) -> ConfigRow | None:
    """The row that a document tells of."""
    found: ConfigRow | None = model._default_manager.filter(**model.lookup(document)).first()
    return found


def put(model: type[ConfigRow], document: Document, row: ConfigRow | None) -> ConfigRow:
    """Make `row`, or a new one, what the document says. Raises ValidationError by column."""
    new = row is None
    row = row or model()
    before = {} if new else row.document()
    (row.restore if new else row.fill)(document)
    row.full_clean()
    taken_over = getattr(row, "origin", None) == Origin.ENVIRONMENT
    if taken_over:
        row.origin = Origin.OPERATOR  # type: ignore[attr-defined]
    if new or taken_over or row.document() != before:
        row.save()
    row.fill_parts(document)
    return row
