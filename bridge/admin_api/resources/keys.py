"""Issued keys: made and rotated here, each shown once. A sign-in's key can only be revoked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from django.core.exceptions import ValidationError
from django.db.models import OuterRef, QuerySet, Subquery
from msgspec import UNSET, Meta

from bridge.admin_api import conditions, rows, structs
from bridge.admin_api.listing import ListQuery, page
from bridge.admin_api.reading import document_of, invalid, refused
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.admin_api.rows import Resource
from bridge.models import ApiKey, KeyUse, SignIn
from bridge.models.people.keys import REVOKED, KeyKind
from bridge.translation.errors.api_error import ApiError

OF_A_SIGN_IN = "A sign-in made this key; it can only be revoked"
Moment = structs.Moment
Kind = Literal["issued", "session"]


class KeyQuery(ListQuery, forbid_unknown_fields=True, kw_only=True):
    """Which keys: of one person, of one team (their own, not their person's), of one kind."""

    person: str = ""
    team: str = ""
    kind: Kind = "issued"


class Rotation(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How long the old key stays good; 0 for one that leaked."""

    overlap_hours: Annotated[int, Meta(ge=0, le=24 * 90)] = 24


@dataclass(frozen=True)
class KeyRows(Resource):
    """The rows of keys, each with its last use."""

    def rows(self) -> QuerySet[Any]:
        uses = KeyUse.objects.filter(key_id=OuterRef("pk")).order_by("-last_at")
        newest = Subquery(uses.values("last_at")[:1])
        rows: QuerySet[Any] = super().rows().annotate(used_at=newest)
        return rows


KEYS = KeyRows(
    ApiKey,
    "Key",
    "/keys/{name}",
    read_only={
        "kind": (Kind, lambda row: row.kind),
        "state": (Literal["good", "switched off", "expired", "revoked"], lambda row: row.state),
        "last_four": (str, lambda row: row.last_four),
        "created_at": (Moment, lambda row: row.created_at),
        "minted_at": (Moment | None, lambda row: row.minted_at),
        "former_four": (str, lambda row: row.former_four),
        "former_until": (Moment | None, lambda row: row.former_until),
        "revoked_at": (Moment | None, lambda row: row.revoked_at),
        "last_used_at": (Moment | None, lambda row: row.used_at),
    },
    left_out=ApiKey.NOT_IN_FILE,
    related=("person", "team"),
)
_MEMBERS = {
    name: kind
    for name, kind in structs.members_of(ApiKey).items()
    if name not in ApiKey.NOT_IN_FILE
}
_READ_ONLY = {name: kind for name, (kind, _) in KEYS.read_only.items()}
KeyNew = structs.change("KeyNew", _MEMBERS, {}, required=("name",))
KeyShown = structs.answer(
    "KeyShown", {"key": str, **_MEMBERS}, _READ_ONLY, "A key with its text, which is shown once."
)


def routes() -> Iterator[ApiRoute]:
    """Those of every kind of rows, where PUT makes nothing; and what is special about keys."""
    own = {"PUT": (_replace, "Replace what a key may use"), "PATCH": (_patch, "")}
    for route in rows.routes(KEYS):
        if route.path == KEYS.collection:
            yield replace(route, handler=_listed, query=KeyQuery)
        elif route.method in own:
            handler, summary = own[route.method]
            yield replace(route, handler=handler, summary=summary or route.summary, statuses=(200,))
        elif route.method == "DELETE":
            yield replace(route, handler=_remove)
        else:
            yield route
    role, path = KEYS.role("change"), KEYS.path
    made = partial(ApiRoute, "POST", role=role, answer=KeyShown)
    yield made(path="/keys", summary="Issue a key", handler=_issue, body=KeyNew, statuses=(201,))
    yield made(
        path=f"{path}/rotate",
        summary="Put a new key in the place of one",
        handler=_rotate,
        body=Rotation,
    )
    yield ApiRoute(
        "POST", f"{path}/revoke", role, "End a key for good", _revoke, answer=KEYS.answer
    )


def _listed(call: ApiCall) -> ApiReply:
    query = call.query
    found = KEYS.rows().filter(kind=query.kind)
    if query.person:
        found = found.filter(person__username=query.person)
    if query.team:
        found = found.filter(team__name=query.team)
    return ApiReply(page(found, query, KEYS.shown))


def _issue(call: ApiCall) -> ApiReply:
    document = document_of(call.body)
    rows.check_is_free(KEYS, document, None)
    row = ApiKey()
    try:
        row.fill(document)
        text = row.mint()
        row.full_clean()
        row.check_new()
    except ValidationError as error:
        raise refused(error, ApiKey.MEMBERS) from None
    row.save()
    return _shown_once(row, text, 201)


def _replace(call: ApiCall) -> ApiReply:
    _check_change(call)
    return rows.replace(KEYS, call)


def _patch(call: ApiCall) -> ApiReply:
    _check_change(call)
    return rows.patch(KEYS, call)


def _check_change(call: ApiCall) -> None:
    """Raises a 404, a 409 and a 400: no change makes a key, or a revoked one good again."""
    row = _issued(call)
    if row.revoked_at is not None and call.body.enabled not in (UNSET, False):
        raise invalid("enabled", REVOKED)


def _remove(call: ApiCall) -> ApiReply:
    _issued(call)
    return rows.remove(KEYS, call)


def _rotate(call: ApiCall) -> ApiReply:
    row = _checked(call)
    text = row.rotate(timedelta(hours=call.body.overlap_hours))
    return _shown_once(row, text, 200)


def _revoke(call: ApiCall) -> ApiReply:
    row = KEYS.get(call.path)
    if SignIn.objects.filter(key=row).exists():
        return _revoke_sign_in(call, row)
    row = KEYS.get(call.path, is_locked=True)
    conditions.check(call, conditions.etag(row.document()))
    if row.revoked_at is None:
        row.revoke()
    return rows.reply_of(KEYS, row)


def _revoke_sign_in(call: ApiCall, row: ApiKey) -> ApiReply:
    """The sign-in is over with its key."""
    conditions.check(call, conditions.etag(row.document()))
    row.sign_in.end(f"{call.token.actor} revoked its key"[:100])
    return rows.reply_of(KEYS, KEYS.get(call.path))


def _checked(call: ApiCall) -> Any:
    row = _issued(call)
    conditions.check(call, conditions.etag(row.document()))
    return row


def _issued(call: ApiCall) -> Any:
    """The row, which no sign-in made. Raises a 404 and a 409."""
    row = KEYS.get(call.path, is_locked=True)
    if row.kind == KeyKind.SESSION:
        raise ApiError(409, OF_A_SIGN_IN)
    return row


def _shown_once(row: ApiKey, text: str, status: int) -> ApiReply:
    shown = KEYS.shown(KEYS.rows().get(pk=row.pk))
    return ApiReply({"key": text, **shown}, status, {"etag": conditions.etag(row.document())})
