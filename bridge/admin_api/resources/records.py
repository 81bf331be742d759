"""The history of changes, and the tokens of this API, for those who look after both."""

from __future__ import annotations

from typing import Literal

import msgspec
from django.db.models import Q

from bridge.accounts import roles
from bridge.admin_api.listing import ListQuery, page, page_struct
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.admin_api.structs import Moment
from bridge.models import AdminToken, Change
from bridge.translation.errors.api_error import ApiError


class ChangedMember(msgspec.Struct, kw_only=True):
    """One member, before and after; without any secret."""

    member: str
    before: str
    after: str


class ChangeEntry(msgspec.Struct, kw_only=True):
    """One change of one row, or an event. `act`: what was changed in one step has it in common.
    `event`: what happened, in words; `address`: from where, as CLIENT_ADDRESSES allows."""

    at: Moment
    actor: str
    act: str
    kind: str
    label: str
    change: Literal["added", "changed", "deleted", "event"]
    event: str
    address: str
    members: list[ChangedMember]


class ChangeQuery(ListQuery, forbid_unknown_fields=True, kw_only=True):
    """Which changes: of a kind, of a row by its label, by an actor, of one act, from a moment on
    and before another."""

    kind: str = ""
    label: str = ""
    actor: str = ""
    act: str = ""
    since: Moment | None = None
    until: Moment | None = None


class ApiToken(msgspec.Struct, kw_only=True):
    """A token of this API, without the token."""

    name: str
    role: Literal["auditor", "operator", "admin"]
    state: Literal["good", "expired", "revoked"]
    last_four: str
    made_by: str
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None


def _changes(call: ApiCall) -> ApiReply:
    query: ChangeQuery = call.query
    given = {name: getattr(query, name) for name in ("kind", "label", "actor", "act")}
    chosen = Q(**{name: value for name, value in given.items() if value})
    if query.since:
        chosen &= Q(at__gte=query.since)
    if query.until:
        chosen &= Q(at__lt=query.until)
    return ApiReply(page(Change.objects.filter(chosen), query, _entry))


def _entry(change: Change) -> ChangeEntry:
    return ChangeEntry(
        at=change.at,
        actor=change.actor,
        act=change.act,
        kind=change.kind,
        label=change.label,
        change="event" if change.event else change.what_became,
        event=change.event,
        address=change.address,
        members=[
            ChangedMember(member=name, before=before, after=after)
            for name, before, after in change.shown()
        ],
    )


def _tokens(call: ApiCall) -> ApiReply:
    return ApiReply(page(AdminToken.objects.all(), call.query, _shown))


def _revoke(call: ApiCall) -> ApiReply:
    row = AdminToken.objects.filter(name=call.path["name"]).first()
    if row is None:
        raise ApiError(404, f"tokens: nothing is called {call.path['name'][:200]}")
    row.revoke()
    return ApiReply(_shown(row))


def _shown(row: AdminToken) -> ApiToken:
    return ApiToken(**{name: getattr(row, name) for name in ApiToken.__struct_fields__})


ROUTES = (
    ApiRoute(
        "GET",
        "/changes",
        roles.lowest("bridge.change", "view"),
        "List the history of changes",
        _changes,
        page_struct("ChangePage", ChangeEntry),
        ChangeQuery,
    ),
    ApiRoute(
        "GET",
        "/tokens",
        roles.ADMIN,
        "List the tokens of this API",
        _tokens,
        page_struct("TokenPage", ApiToken),
        ListQuery,
    ),
    ApiRoute(
        "POST",
        "/tokens/{name}/revoke",
        roles.ADMIN,
        "End a token for good",
        _revoke,
        ApiToken,
    ),
)
