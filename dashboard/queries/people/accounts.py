"""What people and teams used: sums by either, under today's names, with their budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User

from bridge.keys.limits import LimitKind, Limits
from bridge.models import PersonLimits, Team
from dashboard.display.cells import Meter
from dashboard.queries import keys
from dashboard.queries.hours import Group, Sums, sums
from dashboard.usage.periods import Range
from dashboard.usage.totals import TOKENS

EXISTING, DELETED, NOBODY = "existing", "deleted", "none"


@dataclass(frozen=True, slots=True)
class AccountColumns:
    """One kind of account: its columns in the ledger, and what there is of it.

    names    number -> name of today;  limits  number -> what may be used, where there are limits
    nobody   what requests are called that count for none
    """

    id: str
    name: str
    nobody: str
    names: Callable[[], Mapping[int, str]]
    limits: Callable[[], Mapping[int, Limits]]


@dataclass(frozen=True, slots=True)
class AccountUsage:
    """What one person or team used. `number` is 0 for requests that count for none."""

    number: int
    name: str
    state: str
    sums: Sums
    meter: Meter | None = None

    @property
    def shown(self) -> str:
        return f"{self.name} (deleted)" if self.state == DELETED else self.name


def _person_names() -> dict[int, str]:
    return dict(User.objects.values_list("pk", "username"))


def _person_limits() -> dict[int, Limits]:
    return {row.user_id: row.limits() for row in PersonLimits.objects.all()}


def _team_names() -> dict[int, str]:
    return dict(Team.objects.values_list("pk", "name"))


def _team_limits() -> dict[int, Limits]:
    return {row.pk: row.limits() for row in Team.objects.all()}


PEOPLE = AccountColumns("person_id", "person", "no person", _person_names, _person_limits)
TEAMS = AccountColumns("team_id", "team", "no team", _team_names, _team_limits)


def used(span: Range, of: AccountColumns, now: datetime, compared: bool) -> list[AccountUsage]:
    """Every account that used something in the range or in the period before; teams and limited
    people also when they did not. Four queries, three where there are no limits."""
    names, limits = of.names(), of.limits()
    found = _folded(sums(span, (of.id, of.name), compared=compared and TOKENS, sliced=False))
    for number in limits.keys() - found.keys():
        found[number] = "", Sums()
    meters = _meters(of, limits, now)
    return [
        _usage(of, number, names, last_name, group, meters.get(number))
        for number, (last_name, group) in found.items()
    ]


def _usage(
    of: AccountColumns,
    number: int,
    names: Mapping[int, str],
    last_name: str,
    group: Sums,
    meter: Meter | None,
) -> AccountUsage:
    if not number:
        return AccountUsage(0, of.nobody, NOBODY, group)
    if number in names:
        return AccountUsage(number, names[number], EXISTING, group, meter)
    return AccountUsage(number, last_name or f"{of.name} {number}", DELETED, group)


def _folded(groups: Mapping[Group, Sums]) -> dict[int, tuple[str, Sums]]:
    """One for each account, with the name that it had last."""
    found: dict[int, tuple[str, Sums]] = {}
    for (number, name), group in sorted(groups.items(), key=keys.age):
        found[number] = name, found[number][1] + group if number in found else group
    return found


def _meters(of: AccountColumns, limits: Mapping[int, Limits], now: datetime) -> dict[int, Meter]:
    """Of each account's budgets the one that is used most."""
    meters = {}
    for number, quotas in keys.metered(of.id, limits, now).items():
        budgets = [meter for quota, meter in quotas if quota.kind is LimitKind.BUDGET]
        if budgets:
            meters[number] = max(budgets, key=lambda meter: meter.part)
    return meters
