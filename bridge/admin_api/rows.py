"""Rows of the configuration through the API: read, put, changed and deleted as documents.

A kind of rows is one `Resource`; its five endpoints follow from that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from bridge.accounts import roles
from bridge.admin_api import conditions, structs
from bridge.admin_api.listing import ListQuery, page, page_struct
from bridge.admin_api.reading import document_of, invalid, refused
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.configuration.documents import FROM_ENVIRONMENT, put
from bridge.configuration.yaml_file import SEALABLE
from bridge.keys.encryption import PREFIX as SEALED
from bridge.models import Backend, ConfigRow, Document, Origin
from bridge.models.backends import ENV
from bridge.translation.errors.api_error import ApiError

EVERY = "*"
"""Stands in a path for a member of the key that is left out."""
IS_SET = "set"
"""Stands in answers for a stored secret."""
NOTHING_STORED = "nothing is stored; send it itself, or env:NAME"
NEEDED = "{row} is needed by {target}"

Readers = Mapping[str, tuple[Any, Callable[[Any], Any]]]
"""Member that is no column -> its type, and how to read it from a row."""


@dataclass(frozen=True)
class Resource:
    """A kind of rows.

    noun       as its struct is called
    path       of one row, with the members of its key
    parts      members of the document that are no columns: rows of their own
    read_only  members that stand in answers only
    required   members that every new or replaced row must have
    fixed      members of the key that cannot change
    left_out   members of the document that answers have as read-only, if at all
    related, prefetched   what is read along with rows
    """

    model: type[ConfigRow]
    noun: str
    path: str
    parts: Readers = field(default_factory=dict)
    read_only: Readers = field(default_factory=dict)
    required: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    prefetched: tuple[str, ...] = ()
    answer: Any = field(init=False)
    change: Any = field(init=False)
    page: Any = field(init=False)

    def __post_init__(self) -> None:
        parts = {name: kind for name, (kind, _) in self.parts.items()}
        members = {**structs.members_of(self.model), **parts}
        members = {name: kind for name, kind in members.items() if name not in self.left_out}
        read_only = {name: kind for name, (kind, _) in self.read_only.items()}
        doc = (self.model.__doc__ or "").partition("\n")[0]
        for name, value in (
            ("answer", structs.answer(self.noun, members, read_only, doc)),
            ("change", structs.change(f"{self.noun}Change", members, read_only)),
        ):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "page", page_struct(f"{self.noun}Page", self.answer))

    @property
    def collection(self) -> str:
        return f"/{self.model.KIND}"

    @property
    def label(self) -> str:
        return self.model._meta.label_lower

    @property
    def secrets(self) -> list[str]:
        """Members that are stored sealed, and never shown."""
        return [name for name in self.model.MEMBERS if name in SEALABLE]

    def role(self, action: str) -> str:
        return roles.lowest(self.label, action)

    def rows(self) -> QuerySet[Any]:
        rows = self.model._default_manager.select_related(*self.related)
        return rows.prefetch_related(*self.prefetched)

    def key(self, path: Mapping[str, str]) -> Document:
        """The members of the key that a path names."""
        optional = self.model.OPTIONAL
        return {
            name: "" if name in optional and path[name] == EVERY else path[name]
            for name in self.model.NATURAL_KEY
        }

    def find(self, key: Document, *, is_locked: bool = False) -> Any:
        rows = self.rows().filter(**self.model.lookup(key))
        return (rows.select_for_update(of=("self",)) if is_locked else rows).first()

    def get(self, path: Mapping[str, str], *, is_locked: bool = False) -> Any:
        """The row of a path. Raises a 404."""
        row = self.find(self.key(path), is_locked=is_locked)
        if row is None:
            called = " ".join(path.values())
            raise ApiError(404, f"{self.collection[1:]}: nothing is called {called[:200]}")
        return row

    def shown(self, row: Any) -> Document:
        """A row as answers have it: whole, and without any secret."""
        columns = self.model.MEMBERS.items()
        members = {name: _plain(getattr(row, column)) for name, column in columns}
        for name in self.left_out:
            del members[name]
        for name in self.secrets:
            members[name] = _without_secret(members[name])
        more = {**self.parts, **self.read_only}
        return members | {name: read(row) for name, (_, read) in more.items()}


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _without_secret(credential: str) -> str:
    return credential if not credential or credential.startswith(ENV) else IS_SET


# --- the endpoints --------------------------------------------------------------------------------


def routes(resource: Resource) -> Iterator[ApiRoute]:
    """The five endpoints of a kind."""
    one = f"one of the {resource.model._meta.verbose_name_plural}"
    view, change, delete = (resource.role(action) for action in ("view", "change", "delete"))
    yield ApiRoute(
        "GET",
        resource.collection,
        view,
        f"List {resource.model._meta.verbose_name_plural}",
        partial(listed, resource),
        resource.page,
        ListQuery,
    )
    for method, role, summary, handler, body in (
        ("GET", view, f"Read {one}", read, None),
        ("PUT", change, f"Make or replace {one}", replace, resource.change),
        ("PATCH", change, f"Change members of {one}", patch, resource.change),
    ):
        statuses = (200, 201) if method == "PUT" else (200,)
        yield ApiRoute(
            method,
            resource.path,
            role,
            summary,
            partial(handler, resource),
            resource.answer,
            None,
            body,
            statuses,
        )
    yield ApiRoute(
        "DELETE",
        resource.path,
        delete,
        f"Delete {one}",
        partial(remove, resource),
        statuses=(204,),
    )


def listed(resource: Resource, call: ApiCall) -> ApiReply:
    return ApiReply(page(resource.rows(), call.query, resource.shown))


def read(resource: Resource, call: ApiCall) -> ApiReply:
    row = resource.get(call.path)
    known = conditions.etag(row.document())
    if conditions.is_unchanged(call, known):
        return ApiReply(status=304, headers={"etag": known})
    return reply_of(resource, row)


def replace(resource: Resource, call: ApiCall) -> ApiReply:
    """The row becomes what the body says; what that leaves out gets its default."""
    key = resource.key(call.path)
    row = resource.find(key, is_locked=True)
    conditions.check(call, conditions.etag(row.document()) if row else None)
    given = _given(resource, call, row)
    for name, value in key.items():
        if given.get(name, value) != value:
            raise invalid(name, "expected the one in the path")
    for name in resource.required:
        if not given.get(name):
            raise invalid(name, "is missing")
    saved = write(resource, {**given, **key}, row)
    return reply_of(resource, saved, 200 if row else 201)


def patch(resource: Resource, call: ApiCall) -> ApiReply:
    """The members of the body take the place of the row's; null stands for the default."""
    row = resource.get(call.path, is_locked=True)
    known = row.document()
    conditions.check(call, conditions.etag(known))
    given = _given(resource, call, row)
    key = resource.key(call.path)
    for name in resource.fixed:
        if given.get(name, key[name]) != key[name]:
            raise invalid(name, "cannot be changed")
    document = {**key, **known, **given}
    for name in resource.required:
        if not document.get(name):
            raise invalid(name, "is missing")
    check_is_free(resource, document, row)
    return reply_of(resource, write(resource, document, row))


def remove(resource: Resource, call: ApiCall) -> ApiReply:
    row = resource.get(call.path, is_locked=True)
    conditions.check(call, conditions.etag(row.document()))
    if getattr(row, "origin", None) == Origin.ENVIRONMENT:
        raise ApiError(409, f"{row} {FROM_ENVIRONMENT}")
    if isinstance(row, Backend) and (target := row.targets.select_related("alias").first()):
        raise ApiError(409, NEEDED.format(row=row, target=target.alias))
    try:
        row.remove()
    except ValidationError as error:
        raise ApiError(409, " ".join(error.messages)) from None
    return ApiReply(status=204)


# --- what they share ------------------------------------------------------------------------------


def reply_of(resource: Resource, row: Any, status: int = 200) -> ApiReply:
    """A row with its ETag."""
    return ApiReply(resource.shown(row), status, {"etag": conditions.etag(row.document())})


def check_is_free(resource: Resource, document: Document, row: Any) -> None:
    """Raises a 409: another row has this key."""
    other = resource.model._default_manager.filter(**resource.model.lookup(document)).first()
    if other is not None and (row is None or other.pk != row.pk):
        names = ", ".join(resource.model.NATURAL_KEY)
        raise ApiError(409, f"{names}: another one is called {other}")


def write(resource: Resource, document: Document, row: Any) -> Any:
    """Make the row what the document says. Raises a 400."""
    if isinstance(row, Backend):
        document.setdefault("api_key", row.credential)
    try:
        saved = put(resource.model, row.from_file(document) if row else document, row)
    except ValidationError as error:
        raise refused(error, resource.model.MEMBERS) from None
    return resource.rows().get(pk=saved.pk)


def _given(resource: Resource, call: ApiCall, row: Any) -> Document:
    """The members that the body sets. Raises a 400 for what nobody can set."""
    given = document_of(call.body)
    read_only = [name for name in given if name in resource.read_only]
    known = resource.shown(row) if row is not None and read_only else {}
    for name in read_only:
        if name not in known or not _is_same(given.pop(name), known[name]):
            raise invalid(name, "cannot be set")
    for name in resource.secrets:
        if name in given:
            given[name] = _meant(resource, name, given[name], row)
    return given


def _is_same(given: Any, known: Any) -> bool:
    return bool(given == (known.isoformat() if hasattr(known, "isoformat") else known))


def _meant(resource: Resource, name: str, value: str, row: Any) -> str:
    """`set`, as an answer has it, stands for what is stored. Raises a 400."""
    if value.startswith(SEALED):
        raise invalid(name, "sealed text can be read by its own database alone")
    if value != IS_SET:
        return value
    stored = "" if row is None else str(getattr(row, resource.model.MEMBERS[name]))
    if _without_secret(stored) != IS_SET:
        raise invalid(name, NOTHING_STORED)
    return stored
