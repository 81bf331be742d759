"""Budgets in the shape of the vendor's spend limits, for clients that are written against it.

Such a client is given `/api/admin` as its base address and a token as its bearer. A scope `user` is
a person's own budget; `team` is ours, a budget that the members of a team share. Amounts are whole
cents as text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from bridge.accounts import roles
from bridge.admin_api.listing import MOST
from bridge.admin_api.reading import invalid
from bridge.admin_api.resources.configuration import PERSON_LIMITS, TEAMS
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.admin_api.rows import Resource, write
from bridge.models import Change, PersonLimits, Team
from bridge.translation.errors.api_error import ApiError

PATH = "/organizations/spend_limits"
Period = Literal["daily", "weekly", "monthly"]
COLUMNS: dict[Period, str] = {
    "daily": "budget_day",
    "weekly": "budget_week",
    "monthly": "budget_month",
}
Amount = Annotated[str, Meta(pattern="^[0-9]{1,10}$", description="US cents.")]
PageSize = Annotated[int, Meta(ge=1, le=MOST)]
_ID = re.compile(r"spl_(user|team)_([0-9]{1,18})_(daily|weekly|monthly)")
NO_SUCH = "no spend limit has this id"


class UserScope(msgspec.Struct, tag="user", forbid_unknown_fields=True, kw_only=True):
    """One person, by username."""

    user_id: str


class TeamScope(msgspec.Struct, tag="team", forbid_unknown_fields=True, kw_only=True):
    """One team, by name: its members share the amount."""

    team_id: str


Scope = UserScope | TeamScope


class SpendLimitSet(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One limit. `amount` null: none."""

    scope: Scope
    amount: Amount | None
    period: Period = "monthly"
    currency: Literal["USD"] = "USD"


class SpendLimit(msgspec.Struct, kw_only=True):
    """One limit as it stands. The moments are those of the history, null for what it has not."""

    type: Literal["spend_limit"] = "spend_limit"
    id: str
    created_at: datetime | None = None
    updated_at: datetime | None = None
    scope: Scope
    amount: str | None
    currency: Literal["USD"] = "USD"
    period: Period


class SpendLimitDeleted(msgspec.Struct, kw_only=True):
    """It is gone."""

    type: Literal["spend_limit_deleted"] = "spend_limit_deleted"
    id: str


class SpendLimitQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which page. `after_id` or `before_id`: the id of a limit."""

    limit: PageSize = 20
    after_id: str = ""
    before_id: str = ""


class SpendLimitPage(msgspec.Struct, kw_only=True):
    """Limits, those of people first."""

    data: list[SpendLimit]
    has_more: bool
    first_id: str | None
    last_id: str | None


@dataclass(frozen=True, slots=True, order=True)
class LimitRef:
    """Which limit: of a person (by the user's number) or a team, and of which period."""

    is_team: bool
    number: int
    period: Period

    @property
    def id(self) -> str:
        return f"spl_{'team' if self.is_team else 'user'}_{self.number}_{self.period}"


# --- reading --------------------------------------------------------------------------------------


def limit_of(ref: LimitRef, row: Any) -> SpendLimit:
    """The limit of a team's or a person's row."""
    scope: Scope = TeamScope(team_id=row.name) if ref.is_team else UserScope(user_id=row.username)
    amount = getattr(row, COLUMNS[ref.period])
    return SpendLimit(id=ref.id, scope=scope, amount=cents(amount), period=ref.period)


def cents(dollars: Decimal | None) -> str | None:
    """Cents as text, with what is less than one behind a point."""
    if dollars is None:
        return None
    text = f"{dollars * 100:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _all() -> dict[LimitRef, SpendLimit]:
    """Every limit that is set, in the order of lists."""
    found = {}
    sources: tuple[tuple[bool, Iterable[Any]], ...] = (
        (False, PersonLimits.objects.select_related("user").order_by("user_id")),
        (True, Team.objects.order_by("pk")),
    )
    for is_team, rows in sources:
        for row in rows:
            for period, column in COLUMNS.items():
                if getattr(row, column) is not None:
                    ref = LimitRef(is_team, row.pk if is_team else row.user_id, period)
                    found[ref] = limit_of(ref, row)
    return found


def _listed(call: ApiCall) -> ApiReply:
    query: SpendLimitQuery = call.query
    if query.after_id and query.before_id:
        raise invalid("before_id", "expected either after_id or before_id")
    known = _all()
    refs = list(known)
    if query.before_id:
        before = _place(refs, _ref("before_id", query.before_id))
        shown, has_more = refs[max(0, before - query.limit) : before], before > query.limit
    else:
        last = _ref("after_id", query.after_id) if query.after_id else None
        begin = _place(refs, last, is_behind=True) if last else 0
        shown, has_more = refs[begin : begin + query.limit], begin + query.limit < len(refs)
    return ApiReply(
        SpendLimitPage(
            data=list(_dated([known[ref] for ref in shown], shown)),
            has_more=has_more,
            first_id=shown[0].id if shown else None,
            last_id=shown[-1].id if shown else None,
        )
    )


def _place(refs: list[LimitRef], ref: LimitRef, is_behind: bool = False) -> int:
    """Where a limit stands among the others, or would."""
    order = {period: place for place, period in enumerate(COLUMNS)}

    def key(each: LimitRef) -> tuple[bool, int, int]:
        return each.is_team, each.number, order[each.period]

    return sum(key(each) < key(ref) or (is_behind and each == ref) for each in refs)


def _dated(limits: list[SpendLimit], refs: list[LimitRef]) -> Iterator[SpendLimit]:
    """With the moments at which they were set, by the history."""
    made: dict[LimitRef, datetime] = {}
    changed: dict[LimitRef, datetime] = {}
    numbers = _row_numbers(refs)
    by_row = {(ref.is_team, numbers.get(ref, 0)): ref for ref in refs}
    wanted = {ref: ref for ref in refs}
    for kind, is_team in ((PersonLimits.KIND, False), (Team.KIND, True)):
        ids = [number for team, number in by_row if team == is_team]
        rows = Change.objects.filter(kind=kind, object_id__in=ids).order_by("pk")
        for number, before, after, at in rows.values_list("object_id", "before", "after", "at"):
            account = by_row[is_team, number].number
            for period, column in COLUMNS.items():
                ref = LimitRef(is_team, account, period)
                old, new = ((each or {}).get(column) for each in (before, after))
                if ref in wanted and old != new:
                    changed[ref] = at
                    made[ref] = at if old is None else made.get(ref, at)
    for limit, ref in zip(limits, refs, strict=True):
        limit.created_at, limit.updated_at = made.get(ref), changed.get(ref)
        yield limit


def _row_numbers(refs: list[LimitRef]) -> dict[LimitRef, int]:
    """The numbers of the rows that hold them: those of people are found by their users."""
    users = [ref.number for ref in refs if not ref.is_team]
    rows = dict(PersonLimits.objects.filter(user__in=users).values_list("user_id", "pk"))
    return {ref: ref.number if ref.is_team else rows.get(ref.number, 0) for ref in refs}


def _read(call: ApiCall) -> ApiReply:
    ref, row = _get(call)
    return ApiReply(next(_dated([limit_of(ref, row)], [ref])))


def _get(call: ApiCall, *, is_locked: bool = False) -> tuple[LimitRef, Any]:
    """Raises a 404."""
    try:
        ref = _ref("id", call.path["id"])
    except ApiError:
        raise ApiError(404, NO_SUCH) from None
    rows: Any = Team.objects.filter(pk=ref.number)
    if not ref.is_team:
        rows = PersonLimits.objects.select_related("user").filter(user=ref.number)
    row = (rows.select_for_update(of=("self",)) if is_locked else rows).first()
    if row is None or getattr(row, COLUMNS[ref.period]) is None:
        raise ApiError(404, NO_SUCH)
    return ref, row


def _ref(name: str, text: str) -> LimitRef:
    """Raises a 400."""
    found = _ID.fullmatch(text)
    if found is None:
        raise invalid(name, "expected the id of a spend limit")
    return LimitRef(found[1] == "team", int(found[2]), found[3])  # type: ignore[arg-type]


# --- writing --------------------------------------------------------------------------------------


def _set(call: ApiCall) -> ApiReply:
    body: SpendLimitSet = call.body
    resource, key = _holder(body.scope)
    row = resource.find(key, is_locked=True)
    if row is None and resource is TEAMS:
        raise invalid("scope.team_id", f"no team is called {body.scope.team_id[:100]}")  # type: ignore[union-attr]
    if body.amount is not None and not body.amount.isdecimal():
        raise invalid("amount", "expected whole cents as text")
    amount = None if body.amount is None else str(Decimal(body.amount) / 100)
    known = row.document() if row else {}
    try:
        saved = write(resource, {**key, **known, COLUMNS[body.period]: amount}, row)
    except ApiError as error:
        raise invalid("scope.user_id", error.message.partition(": ")[2]) from None
    number = saved.pk if resource is TEAMS else saved.user_id
    return ApiReply(limit_of(LimitRef(resource is TEAMS, number, body.period), saved))


def _holder(scope: Scope) -> tuple[Resource, dict[str, str]]:
    if isinstance(scope, TeamScope):
        return TEAMS, {"name": scope.team_id}
    return PERSON_LIMITS, {"person": scope.user_id}


def _delete(call: ApiCall) -> ApiReply:
    ref, row = _get(call, is_locked=True)
    resource = TEAMS if ref.is_team else PERSON_LIMITS
    write(resource, {**row.document(), COLUMNS[ref.period]: None}, row)
    return ApiReply(SpendLimitDeleted(id=ref.id))


_VIEW = roles.lowest(PERSON_LIMITS.label, "view")
_CHANGE = roles.lowest(PERSON_LIMITS.label, "change")
ROUTES = (
    ApiRoute("GET", PATH, _VIEW, "List spend limits", _listed, SpendLimitPage, SpendLimitQuery),
    ApiRoute("POST", PATH, _CHANGE, "Set a spend limit", _set, SpendLimit, body=SpendLimitSet),
    ApiRoute("GET", f"{PATH}/{{id}}", _VIEW, "Read one spend limit", _read, SpendLimit),
    ApiRoute("DELETE", f"{PATH}/{{id}}", _CHANGE, "Lift a spend limit", _delete, SpendLimitDeleted),
)
