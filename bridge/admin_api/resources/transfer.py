"""The configuration as one document: that of `export_config` and `import_config`, as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from bridge.accounts import roles
from bridge.accounts.roles import OPERATOR
from bridge.admin_api.reading import LONGEST_MESSAGE, document_of
from bridge.admin_api.resources.configuration import RESOURCES
from bridge.admin_api.resources.keys import KEYS
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.configuration import yaml_file
from bridge.models import Change, Document
from bridge.translation.errors.api_error import ApiError

Flag = Annotated[bool, Meta(description="1 or 0.")]
KINDS = {each.model.KIND: each for each in (*RESOURCES, KEYS)}
Sections = msgspec.defstruct(
    "Configuration",
    [
        (each.model.KIND, list[each.change] | UnsetType, UNSET)  # type: ignore[name-defined]
        for each in KINDS.values()
    ],
    namespace={"__doc__": "Rows of operators by kind; what is left out has its default."},
    module=__name__,
    kw_only=True,
    forbid_unknown_fields=True,
)


class ImportQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """`dry_run` changes nothing; `prune` deletes what a section does not have."""

    dry_run: Flag = False
    prune: Flag = False


class ImportedMember(msgspec.Struct, kw_only=True):
    """What became of one member; without any secret, as the history shows it."""

    member: str
    before: str
    after: str


class ImportedRow(msgspec.Struct, kw_only=True):
    """One row that is another now."""

    kind: str
    label: str
    change: Literal["added", "changed", "deleted"]
    members: list[ImportedMember]


class ImportReport(msgspec.Struct, kw_only=True):
    """What an import changed, or would change."""

    dry_run: bool
    entries: int
    changes: list[ImportedRow]


def _export(call: ApiCall) -> ApiReply:
    """The sections that the token's role may read."""
    found = yaml_file.sections().items()
    return ApiReply({kind: rows for kind, rows in found if _may(call, kind, "view")})


def _may(call: ApiCall, kind: str, action: str) -> bool:
    return roles.reaches(call.token.role, KINDS[kind].role(action))


def _import(call: ApiCall) -> ApiReply:
    """Whoever writes a section has the role that its rows need: some give roles to people."""
    query: ImportQuery = call.query
    documents = _documents(call.body)
    for kind in documents:
        if not _may(call, kind, "change"):
            raise ApiError(403, f"{kind}: this section needs the role {KINDS[kind].role('change')}")
    try:
        content = yaml_file.content_of(documents)
        changes = yaml_file.apply(
            content, call.token.actor, prune=query.prune, dry_run=query.dry_run
        )
    except yaml_file.ConfigFileError as error:
        raise ApiError.invalid("; ".join(error.problems)[:LONGEST_MESSAGE]) from None
    rows = [_row(change) for change in changes]
    return ApiReply(ImportReport(dry_run=query.dry_run, entries=len(content.entries), changes=rows))


def _documents(body: Any) -> dict[str, list[Document]]:
    sections = ((name, getattr(body, name)) for name in body.__struct_fields__)
    return {
        name: [document_of(item) for item in items]
        for name, items in sections
        if items is not UNSET
    }


def _row(change: Change) -> ImportedRow:
    members = [
        ImportedMember(member=name, before=before, after=after)
        for name, before, after in change.shown()
    ]
    return ImportedRow(
        kind=change.kind,
        label=change.label,
        change=change.what_became,
        members=members,
    )


ROUTES = (
    ApiRoute("GET", "/export", OPERATOR, "Read the whole configuration", _export, Sections),
    ApiRoute(
        "POST",
        "/import",
        OPERATOR,
        "Make the configuration what a document says",
        _import,
        ImportReport,
        ImportQuery,
        Sections,
    ),
)
