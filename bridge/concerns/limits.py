"""What needs attention of limits: budgets that are nearly spent, or do not count a model."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from urllib.parse import urlencode

from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.concerns.concern import Concern
from bridge.configuration import unpriced
from bridge.configuration.row_faults import BROKEN
from bridge.configuration.snapshot import Snapshot
from bridge.keys.limits import NANO, Account, AccountKind, AccountRef, LimitKind, Quota, QuotaUsage
from bridge.ledger.spending import used_now
from bridge.models import ApiKey, PersonLimits, Team
from bridge.models.people.limit_columns import LimitColumns

NEARLY_SPENT = 0.8
_PAGES = {AccountKind.PERSON: "dashboard:people", AccountKind.TEAM: "dashboard:teams"}

LimitedRow = ApiKey | PersonLimits | Team


def limited_accounts() -> Iterator[Account]:
    """All that have limits, with those that make sense."""
    for row in limited_rows():
        if has_limits(row):
            name = row.username if isinstance(row, PersonLimits) else row.name
            yield Account(_ref(row), name, row.limits())


def _ref(row: LimitedRow) -> AccountRef:
    if isinstance(row, PersonLimits):
        return AccountRef(AccountKind.PERSON, row.user_id)
    return AccountRef(AccountKind.TEAM if isinstance(row, Team) else AccountKind.KEY, row.pk)


def limited_rows() -> Iterator[LimitedRow]:
    """What may have limits: good keys, teams, people."""
    yield from ApiKey.objects.filter(enabled=True)
    yield from Team.objects.filter(enabled=True)
    yield from PersonLimits.objects.filter(user__is_active=True).select_related("user")


def has_limits(row: LimitColumns) -> bool:
    try:
        return not row.limits().is_empty
    except BROKEN:
        return False  # named as a fault of the configuration


def spent_budgets(now: datetime) -> Iterator[Concern]:
    """Budgets of which most is spent. A query for each kind of account and period that has one."""
    budgets = [
        (account, quota)
        for account in limited_accounts()
        for quota in account.limits.quotas
        if quota.kind is LimitKind.BUDGET
    ]
    for period in sorted({quota.period for _, quota in budgets}):
        of_period = [pair for pair in budgets if pair[1].period == period]
        used = used_now({account.ref for account, _ in of_period}, period, now.timestamp())
        for account, quota in of_period:
            spent = quota.of(used.get(account.ref, QuotaUsage()))
            if quota.most and spent >= NEARLY_SPENT * quota.most:
                yield _spent(account, quota, spent)


def _spent(account: Account, quota: Quota, spent: int) -> Concern:
    when = "in all" if quota.period == "total" else f"this {quota.period} (UTC)"
    part, of_it = spent / quota.most, f"${spent / NANO:,.2f} of ${quota.most / NANO:,.2f}"
    owner = f"{account.ref.kind.capitalize()} {account.name}"
    text = f"{owner} has spent {100 * part:.0f} % of its budget: {of_it} {when}"
    kind, tone = account.ref.kind, BAD if part >= 1 else WARN
    if kind is AccountKind.KEY:
        return Concern(text, reverse("dashboard:key", args=[account.ref.id]), tone, "budget", "Key")
    href = reverse(_PAGES[kind])
    return Concern(text, href, tone, "budget", "People" if kind is AccountKind.PERSON else "Teams")


def unpriced_budgets(built: Snapshot) -> Iterator[Concern]:
    """Budgets that do not count models without a known price."""
    rows = [row for row in limited_rows() if has_limits(row)]
    for found in unpriced.of_rows(rows, built):
        href = price_form(found.models[0])
        requests = (unpriced_requests(found.holder.ref), "Requests") if found.is_used else ("", "")
        yield Concern(found.text, href, WARN, "budget", "Add a price", requests)


def price_form(model: str) -> str:
    """Where a price of this model is added."""
    return f"{reverse('admin:bridge_price_add')}?{urlencode({'model': model})}"


def unpriced_requests(ref: AccountRef) -> str:
    """The requests of an account in these days that its budget could not count."""
    days = unpriced.RECENTLY.days
    asked = {f"{ref.kind}_id": ref.id, "trait": "unpriced", "range": f"{days}d"}
    return f"{reverse('dashboard:requests')}?{urlencode(asked)}"
