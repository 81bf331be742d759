"""What is compared with the thresholds of rules: one value for each subject, read from rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q

from bridge.concerns.limits import limited_accounts
from bridge.keys.decisions import dollars, rfc3339
from bridge.keys.limits import NANO, Account, AccountRef, LimitKind, Quota, QuotaUsage
from bridge.keys.periods import Period, period_end, period_name
from bridge.ledger.spending import used_now
from bridge.live import processes
from bridge.models import ApiKey, Backend, UsageRecord
from bridge.models.people.keys import KeyKind
from bridge.models.warnings import kinds
from bridge.warnings import words
from bridge.warnings.downtime import DOWN, OUT_OF_SERVICE, Downtime

ERROR_MINUTES = 10
ENOUGH_REQUESTS = 20
"""Fewer prove nothing."""
FIRST_ERROR = 500
Numbers = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WarningSubject:
    """What a warning is about. `id` does not change with the name."""

    kind: str
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one subject.

    type     of the event that it makes, such as budget.reached
    period   in which it is warned of once at each threshold; "" for a state that lasts until over
    lasts    the state is not over, whatever the value
    over     type of the event that says that it is over, "" for none, and `over_text` its words
    """

    type: str
    subject: WarningSubject
    value: float
    text: str
    numbers: Numbers = field(default_factory=dict)
    period: str = ""
    lasts: bool = False
    over: str = ""
    over_text: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """When the watcher looks, and what it knows from before.

    now       by the wall clock, `steady` by one that only grows
    furthest  the largest threshold that is looked for
    """

    now: datetime
    steady: float
    downtime: Downtime
    furthest: int


# --- budgets ------------------------------------------------------------------------------------


def budgets(look: Look) -> Iterator[Reading]:
    """How much of each budget and quota of tokens is used, as the limits count it."""
    accounts = list(limited_accounts())
    now = look.now.timestamp()
    used = {period: _used(accounts, period, now) for period in _periods(accounts)}
    for account in accounts:
        for quota in account.limits.quotas:
            usage = used[quota.period].get(account.ref)
            if usage is not None:
                yield _budget(account, quota, quota.of(usage), now)


def _periods(accounts: list[Account]) -> set[Period]:
    return {quota.period for account in accounts for quota in account.limits.quotas}


def _used(accounts: list[Account], period: Period, now: float) -> Mapping[AccountRef, QuotaUsage]:
    refs = [a.ref for a in accounts if any(q.period == period for q in a.limits.quotas)]
    return used_now(refs, period, now)


def _budget(account: Account, quota: Quota, used: int, now: float) -> Reading:
    percent = 100.0 * used / quota.most if quota.most else 100.0
    end = period_end(now, quota.period)
    resets = "" if quota.period == "total" else rfc3339(end)
    kind = str(account.ref.kind)
    subject = WarningSubject(kind, str(account.ref.id), account.name)
    what, amount = _amount(quota)
    numbers = {"percent": round(percent, 1), "period": quota.period, "resets_at": resets or None}
    return Reading(
        "budget.reached",
        subject,
        percent,
        words.budget(kind, account.name, percent, f"{what} of {amount}", resets),
        numbers | _counted(quota, used),
        f"{quota.kind} {quota.period} {period_name(now, quota.period)} of {quota.most}",
    )


def _amount(quota: Quota) -> tuple[str, str]:
    when = "in all" if quota.period == "total" else f"a {quota.period}"
    if quota.kind is LimitKind.BUDGET:
        return "budget", f"{dollars(Decimal(quota.most) / NANO)} {when}"
    return "quota", f"{quota.most} tokens {when}"


def _counted(quota: Quota, used: int) -> dict[str, float]:
    if quota.kind is LimitKind.BUDGET:
        return {"used_usd": used / NANO, "limit_usd": quota.most / NANO}
    return {"used_tokens": used, "limit_tokens": quota.most}


# --- backends -----------------------------------------------------------------------------------


def backends(look: Look) -> Iterator[Reading]:
    """For how long each backend has been down. What an operator took out of service is not."""
    rows = list(Backend.objects.select_related("breaker"))
    for row, status, seconds in look.downtime.of(rows, look.now, look.steady):
        numbers = {"seconds": round(seconds), "state": status.state.value}
        is_off = status.state in OUT_OF_SERVICE
        yield Reading(
            "backend.down",
            WarningSubject("backend", str(row.pk), row.name),
            seconds,
            words.backend_down(row.name, status.sentence),
            numbers,
            lasts=status.state in DOWN,
            over="backend.off" if is_off else "backend.back",
            over_text=words.backend_off(row.name) if is_off else words.backend_back(row.name),
        )


# --- errors -------------------------------------------------------------------------------------


def errors(look: Look) -> Iterator[Reading]:
    """The share of failed requests of each model in the last minutes."""
    since = look.now - timedelta(minutes=ERROR_MINUTES)
    rows = UsageRecord.objects.filter(time__gt=since).order_by().values_list("model")
    failed = Count("pk", filter=Q(status__gte=FIRST_ERROR))
    for model, requests, count in rows.annotate(Count("pk"), _failed=failed):
        if requests < ENOUGH_REQUESTS:
            continue
        percent = 100.0 * count / requests
        numbers = {
            "percent": round(percent, 1),
            "requests": requests,
            "failed": count,
            "minutes": ERROR_MINUTES,
        }
        yield Reading(
            "errors.many",
            WarningSubject("model", model, model),
            percent,
            words.errors(model, count, requests, ERROR_MINUTES),
            numbers,
        )


# --- keys ---------------------------------------------------------------------------------------


def expiring_keys(look: Look) -> Iterator[Reading]:
    """How many days each good key has left."""
    last = look.now + timedelta(days=look.furthest)
    rows = ApiKey.objects.filter(enabled=True, revoked_at=None, kind=KeyKind.ISSUED)
    for row in rows.filter(expires_at__gt=look.now, expires_at__lte=last):
        assert row.expires_at is not None
        ends = row.expires_at.astimezone(UTC)
        days = (ends - look.now) / timedelta(days=1)
        moment = rfc3339(ends.timestamp())
        yield Reading(
            "key.expiring",
            WarningSubject("key", str(row.pk), row.name),
            days,
            words.expiring(row.name, moment, days),
            {"days": round(days, 2), "expires_at": moment},
            moment,
        )


# --- the gateway itself -------------------------------------------------------------------------


def ledger(look: Look) -> Iterator[Reading]:
    """How far the rows of each host's processes are behind."""
    for host, rows in _by_host(look.now).items():
        seconds = max(row.lag_seconds for row in rows)
        waiting = sum(row.waiting for row in rows)
        yield Reading(
            "ledger.behind",
            WarningSubject("host", host, host),
            seconds,
            words.ledger(host, waiting, seconds),
            {"seconds": round(seconds), "records": waiting},
        )


def disks(look: Look) -> Iterator[Reading]:
    """How full the disk of each host's data is."""
    for host, rows in _by_host(look.now).items():
        percent = max(row.disk_percent for row in rows)
        yield Reading(
            "disk.filling",
            WarningSubject("host", host, host),
            percent,
            words.disk(host, percent),
            {"percent": round(percent, 1)},
        )


def _by_host(now: datetime) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in processes.living(now):
        found.setdefault(row.host, []).append(row)
    return found


READERS: Mapping[str, Callable[[Look], Iterator[Reading]]] = {
    kinds.BUDGET: budgets,
    kinds.BACKEND: backends,
    kinds.ERRORS: errors,
    kinds.KEY_EXPIRY: expiring_keys,
    kinds.LEDGER: ledger,
    kinds.DISK: disks,
}
