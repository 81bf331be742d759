"""What people may spend and have spent, in the shape of the vendor's spend limits."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Any, Literal

import msgspec
from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from msgspec import field

from bridge.accounts import roles
from bridge.admin_api.reading import invalid
from bridge.admin_api.resources.configuration import PERSON_LIMITS
from bridge.admin_api.resources.spend_limits import (
    COLUMNS,
    PATH,
    LimitRef,
    PageSize,
    Period,
    UserScope,
    cents,
)
from bridge.admin_api.route import ApiCall, ApiReply, ApiRoute
from bridge.keys import periods
from bridge.keys.limits import NANO, NOTHING, AccountKind, AccountRef
from bridge.ledger import spending

CURSOR = "page_"
CALENDAR: dict[Period, periods.Period] = {"daily": "day", "weekly": "week", "monthly": "month"}


class EffectiveQuery(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whose rows, of which periods, in which order. `q` is looked for in names and addresses."""

    user_ids: list[str] = field(default_factory=list, name="user_ids[]")
    period: list[Period] = field(default_factory=list, name="period[]")
    sort: Literal["", "spend_desc"] = ""
    q: str = ""
    limit: PageSize = 20
    page: str = ""


class Actor(msgspec.Struct, kw_only=True):
    """The person."""

    type: Literal["user_actor"] = "user_actor"
    user_id: str
    name: str
    email_address: str
    deleted: bool = False


class LimitSource(msgspec.Struct, kw_only=True):
    """Where an amount comes from."""

    type: Literal["user"] = "user"


class SpendSummary(msgspec.Struct, kw_only=True):
    """One person in one period. `groups`: the teams, whose members share budgets of their own."""

    type: Literal["spend_summary"] = "spend_summary"
    scope: UserScope
    actor: Actor
    amount: str | None
    currency: Literal["USD"] = "USD"
    period: Period
    source: LimitSource | None
    spend_limit_id: str | None
    period_to_date_spend: str
    groups: list[str]


class SpendSummaryPage(msgspec.Struct, kw_only=True):
    """Rows, and where the next page begins."""

    data: list[SpendSummary]
    next_page: str | None


def _effective(call: ApiCall) -> ApiReply:
    query: EffectiveQuery = call.query
    asked = [period for period in COLUMNS if period in (query.period or COLUMNS)]
    if query.sort and len(asked) != 1:
        raise invalid("sort", "expected exactly one period[] beside it")
    begin = _begin(query.page)
    numbers = list(_people(query).values_list("pk", flat=True))
    if query.sort:
        spent = _spent(numbers, asked[0])
        numbers.sort(key=lambda number: (-spent.get(number, 0), number))
    rows = [(number, period) for number in numbers for period in asked]
    end = begin + query.limit
    shown = rows[begin:end]
    return ApiReply(
        SpendSummaryPage(
            data=_summaries(shown), next_page=f"{CURSOR}{end}" if end < len(rows) else None
        )
    )


def _begin(page: str) -> int:
    number = page.removeprefix(CURSOR)
    if not page:
        return 0
    if number == page or not (number.isascii() and number.isdecimal() and len(number) < 10):
        raise invalid("page", "expected the next_page of an answer")
    return int(number)


def _people(query: EffectiveQuery) -> QuerySet[User]:
    found = User.objects.order_by("pk")
    if query.user_ids:
        found = found.filter(username__in=query.user_ids)
    if query.q:
        names = ("username", "email", "first_name", "last_name")
        chosen = Q()
        for name in names:
            chosen |= Q(**{f"{name}__icontains": query.q})
        found = found.filter(chosen)
    return found


def _spent(numbers: Collection[int], period: Period) -> dict[int, int]:
    """Billionths of a dollar by person."""
    refs = [AccountRef(AccountKind.PERSON, number) for number in numbers]
    used = spending.used_now(refs, CALENDAR[period])
    return {ref.id: usage.cost for ref, usage in used.items()}


def _summaries(rows: list[tuple[int, Period]]) -> list[SpendSummary]:
    numbers = {number for number, _ in rows}
    found = User.objects.select_related("limits").prefetch_related("teams")
    people = {user.pk: user for user in found.filter(pk__in=numbers)}
    spent = {period: _spent(numbers, period) for period in {period for _, period in rows}}
    return [
        _summary(people[number], period, spent[period].get(number, NOTHING.cost))
        for number, period in rows
        if number in people
    ]


def _summary(user: User, period: Period, spent: int) -> SpendSummary:
    limits: Any = getattr(user, "limits", None)
    amount = getattr(limits, COLUMNS[period], None)
    is_set = amount is not None
    return SpendSummary(
        scope=UserScope(user_id=user.username),
        actor=Actor(
            user_id=user.username,
            name=user.get_full_name() or user.username,
            email_address=user.email,
        ),
        amount=cents(amount),
        period=period,
        source=LimitSource() if is_set else None,
        spend_limit_id=LimitRef(False, user.pk, period).id if is_set else None,
        period_to_date_spend=cents(Decimal(spent) / NANO) or "0",
        groups=sorted(team.name for team in user.teams.all()),
    )


ROUTES = (
    ApiRoute(
        "GET",
        f"{PATH}/effective",
        roles.lowest(PERSON_LIMITS.label, "view"),
        "Tell what people may spend and have spent",
        _effective,
        SpendSummaryPage,
        EffectiveQuery,
    ),
)
