"""Documents -> rows: how an imported file and a change that is taken back become rows again."""

from __future__ import annotations

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
from bridge.models.ledger_marks import COSTS
from bridge.models.people.persons import GROUPS, SIGN_INS, USERS

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

NEVER_UNDONE: dict[str, tuple[str, str]] = {
    USERS: ("user", "users"),
    GROUPS: ("group", "groups"),
    AdminToken.KIND: ("API token", "API tokens"),
    SIGN_INS: ("sign-in", "sign-ins"),
    COSTS: ("cost", "costs"),
}
"""What the history has beside them, with its names: who may do what, who came, and what recorded
requests cost. No undo touches it."""


def named(kind: str) -> str:
    """What a change of this kind is of."""
    model = KINDS.get(kind)
    return str(model._meta.verbose_name) if model else NEVER_UNDONE.get(kind, (kind, kind))[0]


def named_many(kind: str) -> str:
    """What changes of this kind are of."""
    model = KINDS.get(kind)
    return (
        str(model._meta.verbose_name_plural) if model else NEVER_UNDONE.get(kind, (kind, kind))[1]
    )


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
    (row.restore if new else row.fill)(document)
    row.full_clean()
    taken_over = getattr(row, "origin", None) == Origin.ENVIRONMENT
    if taken_over:
        row.origin = Origin.OPERATOR  # type: ignore[attr-defined]
    if new or taken_over or row.document() != before:
        row.save()
    row.fill_parts(document)
    return row
