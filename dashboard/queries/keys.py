"""Who used what: sums by key, under today's names, with what is left of their budgets."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from operator import add
from typing import Any, NamedTuple

from django.db.models import F, Max, Q, Sum

from bridge.keys.limits import NOTHING, LimitKind, Limits, Quota, QuotaUsage
from bridge.keys.periods import Period, period_begin
from bridge.models import ApiKey, KeyLabel, KeyUse, UsageHour, UsageRecord
from bridge.models.people.keys import KeyKind
from bridge.models.usage import deleted_key_owners
from dashboard.display import formatting
from dashboard.display.cells import Meter
from dashboard.queries import hours
from dashboard.queries.hours import Group, Sums, sums
from dashboard.usage.key_owners import DELETED, FORWARDED, ISSUED, NOBODY, SIGN_IN, UNNAMED, Owner
from dashboard.usage.periods import Range
from dashboard.usage.totals import TOKENS, USE, Totals

_ALL_TOKENS = (
    F("input_tokens") + F("cache_read_tokens") + F("cache_write_tokens") + F("output_tokens")
)
IDENTITY = ("key_id", "fingerprint")
Identity = tuple[int, str]


class KeyName(NamedTuple):
    """What pages of many keys need of a row: thousands of whole rows take a tenth of a second."""

    name: str
    kind: str
    budget_usd: Decimal | None
    owner: str
    person_name: str | None


@dataclass(frozen=True, slots=True)
class KnownKeys:
    """Keys that exist: issued ones by number, names of forwarded ones by fingerprint."""

    issued: Mapping[int, ApiKey | KeyName] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls) -> KnownKeys:
        """Two queries."""
        labels = KeyLabel.objects.values_list("fingerprint", "name")
        columns = ("name", "kind", "budget_usd", "owner", "person__username")
        rows = ApiKey.objects.order_by().values_list("pk", *columns)
        return cls({pk: KeyName(*values) for pk, *values in rows}, dict(labels))

    def owners(self) -> dict[int, str]:
        """key_id -> who the key's row names as its owner, else its person. One query."""
        mine = {pk: row.owner or row.person_name or "" for pk, row in self.issued.items()}
        return deleted_key_owners() | mine

    def row(self, key_id: int) -> ApiKey | None:
        """The whole row of an issued key. One query where only its name was read."""
        known = self.issued.get(key_id)
        if isinstance(known, KeyName):
            return ApiKey.objects.filter(pk=key_id).first()
        return known

    def has(self, who: Identity) -> bool:
        """Whether there is such a key, used or not."""
        return who[0] in self.issued or (not who[0] and who[1] in self.labels) or who == (0, "")

    def owner(self, key_id: int, fingerprint: str, last_name: str = "") -> Owner:
        """`last_name`: what the ledger called it last."""
        if row := self.issued.get(key_id):
            kind = SIGN_IN if row.kind == KeyKind.SESSION else ISSUED
            return Owner(key_id, "", row.name, kind)
        if key_id:
            return Owner(key_id, "", last_name or f"key {key_id}", DELETED)
        if fingerprint:
            name = self.labels.get(fingerprint) or last_name or f"key-{fingerprint}"
            return Owner(0, fingerprint, name, FORWARDED)
        return Owner(0, "", UNNAMED, NOBODY)


def known(who: Identity) -> KnownKeys:
    """What is known of one key. One query, none for nobody."""
    key_id, fingerprint = who
    if key_id:
        return KnownKeys({row.pk: row for row in ApiKey.objects.filter(pk=key_id)})
    if not fingerprint:
        return KnownKeys()
    labels = KeyLabel.objects.filter(fingerprint=fingerprint)
    return KnownKeys({}, dict(labels.values_list("fingerprint", "name")))


@dataclass(frozen=True, slots=True)
class KeyUsage:
    """What one key used."""

    owner: Owner
    sums: Sums
    meter: Meter | None = None
    used_at: datetime | None = None


def used(
    span: Range,
    known: KnownKeys,
    columns: Iterable[str] = USE,
    only: Q | None = None,
    compared: bool | Collection[str] = True,
    sliced: bool = True,
) -> list[KeyUsage]:
    """Every key that used something in the range or in the period before. One query."""
    return folded(known, sums(span, (*IDENTITY, "key"), columns, only, compared, sliced))


def leading(span: Range, count: int) -> tuple[list[KeyUsage], int, Totals]:
    """The keys that used the most tokens, then requests, with all that used as much as the last of
    them; how many others there are, and what these used together. Three queries."""
    amounts: dict[Identity, tuple[int, ...]] = {}
    names: dict[Identity, tuple[datetime, str]] = {}
    for (key_id, fingerprint, name), use in hours.used(span, (*IDENTITY, "key"), USE).items():
        who = (key_id, fingerprint)
        own = amounts.get(who)
        amounts[who] = tuple(map(add, own, use.amounts)) if own else use.amounts
        names[who] = max(names.get(who, (use.last, name)), (use.last, name))
    ranks = {who: (sum(own[n] for n in _TOKENS), own[_REQUESTS]) for who, own in amounts.items()}
    least = sorted(ranks.values(), reverse=True)[:count][-1:]
    chosen = [who for who, rank in ranks.items() if [rank] >= least]
    known = _known_of(chosen)
    found = [
        KeyUsage(known.owner(*who, names[who][1]), Sums(total=_totals(amounts.pop(who))))
        for who in chosen
    ]
    rest = [*map(sum, zip(*amounts.values(), strict=True))]
    return found, len(amounts), _totals(rest) if rest else Totals()


_REQUESTS, _TOKENS = USE.index("requests"), [USE.index(name) for name in TOKENS]


def _totals(amounts: Sequence[int]) -> Totals:
    return Totals(dict(zip(USE, amounts, strict=True)))


def _known_of(chosen: Collection[Identity]) -> KnownKeys:
    """What is known of these keys. Two queries."""
    rows = ApiKey.objects.filter(pk__in={key_id for key_id, _ in chosen} | {0})
    labels = KeyLabel.objects.values_list("fingerprint", "name")
    return KnownKeys({row.pk: row for row in rows}, dict(labels))


@dataclass(frozen=True, slots=True)
class PairUsage:
    """What one key used of one model."""

    owner: Owner
    model: str
    sums: Sums


def pairs(span: Range, known: KnownKeys, only: Q | None = None) -> list[PairUsage]:
    """Every key with each model that it used in the range. One query."""
    by_model: dict[str, dict[Group, Sums]] = {}
    by = (*IDENTITY, "key", "model")
    for group, group_sums in sums(span, by, USE, only, compared=False, sliced=False).items():
        by_model.setdefault(group[-1], {})[group] = group_sums
    return [
        PairUsage(use.owner, model, use.sums)
        for model, groups in by_model.items()
        for use in folded(known, groups)
    ]


def folded(known: KnownKeys, groups: Mapping[Group, Sums]) -> list[KeyUsage]:
    """One for each key, of groups that begin with key_id, fingerprint and name."""
    found: dict[Identity, tuple[str, Sums]] = {}
    for (key_id, fingerprint, name, *_), group_sums in sorted(groups.items(), key=age):
        who = (key_id, fingerprint)
        found[who] = name, found[who][1] + group_sums if who in found else group_sums
    return [
        KeyUsage(known.owner(*identity, name), group_sums)
        for identity, (name, group_sums) in found.items()
    ]


def age(item: tuple[Group, Sums]) -> datetime:
    """Later names come last, and stay."""
    return item[1].last_hour or datetime.min.replace(tzinfo=UTC)


# --- budgets --------------------------------------------------------------------------------------


def budgets(known: KnownKeys, now: datetime) -> dict[int, Meter]:
    """Key -> how much of its budget is spent in the running period of UTC.

    No query where no key has a budget, else two.
    """
    named = [pk for pk, row in known.issued.items() if row.budget_usd is not None]
    rows = {pk: row for pk in named if isinstance(row := known.issued[pk], ApiKey)}
    if len(rows) < len(named):
        rows |= {row.pk: row for row in ApiKey.objects.filter(budget_usd__isnull=False).order_by()}
    meters = quotas(rows, now)
    return {pk: meters[pk][0][1] for pk in rows}


def quotas(rows: Mapping[int, ApiKey], now: datetime) -> dict[int, list[tuple[Quota, Meter]]]:
    """Key -> its quotas, the budget first, and how much of each is used.

    No query where no key has one, else one.
    """
    return metered("key_id", {pk: row.limits() for pk, row in rows.items()}, now)


def metered(
    column: str, limits: Mapping[int, Limits], now: datetime
) -> dict[int, list[tuple[Quota, Meter]]]:
    """The same for whomever this column of the ledger tells apart."""
    limited = {pk: each for pk, each in limits.items() if each.quotas}
    used = _used(column, limited, now) if limited else {}
    return {
        pk: [(quota, _meter(quota, used.get((pk, quota.period), NOTHING))) for quota in each.quotas]
        for pk, each in limited.items()
    }


def _used(
    column: str, limited: Mapping[int, Limits], now: datetime
) -> dict[tuple[int, Period], QuotaUsage]:
    """What was used in the running periods of the quotas. One query."""
    periods = sorted({period for each in limited.values() for period in each.periods})
    begins = {period: period_begin(now.timestamp(), period) for period in periods}
    known = [begin for begin in begins.values() if begin is not None]
    rows = UsageHour.objects.filter(**{f"{column}__in": list(limited)})
    if len(known) == len(begins):
        rows = rows.filter(hour__gte=min(known))
    sums: dict[str, Sum] = {}
    for period, begin in begins.items():
        running = Q() if begin is None else Q(hour__gte=begin)
        sums[f"cost_{period}"] = Sum("cost_nano_usd", filter=running, default=0)
        sums[f"tokens_{period}"] = Sum(_ALL_TOKENS, filter=running, default=0)
    added: Any = rows.order_by().values(column).annotate(**sums)
    return {
        (row[column], period): QuotaUsage(int(row[f"cost_{period}"]), int(row[f"tokens_{period}"]))
        for row in added
        for period in periods
    }


def _meter(quota: Quota, usage: QuotaUsage) -> Meter:
    used = quota.of(usage)
    when = "in all" if quota.period == "total" else f"this {quota.period} (UTC)"
    if quota.kind is LimitKind.BUDGET:
        words = f"{formatting.money(used).text} of {formatting.money(quota.most).text} {when}"
        return Meter(used, quota.most, "money", words)
    words = f"{formatting.tokens(used).text} of {formatting.tokens(quota.most).text} tokens {when}"
    return Meter(used, quota.most, "count", words)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a key as it is shown."""

    title: str
    text: str
    meter: Meter | None = None


def limits(known: KnownKeys, key_id: int, now: datetime) -> Sequence[Limit]:
    """The limits that a key has; none for keys that have none. At most one query."""
    row = known.row(key_id)
    if row is None:
        return ()
    found = [
        Limit(title, formatting.whole(number))
        for title, number in (
            ("requests a minute", row.rpm),
            ("tokens a minute", row.tpm),
            ("requests at once", row.concurrent),
        )
        if number is not None
    ]
    for quota, meter in quotas({key_id: row}, now).get(key_id, ()):
        of_money = quota.kind is LimitKind.BUDGET
        show = formatting.money if of_money else formatting.tokens
        name = "budget" if of_money else "tokens"
        when = "in all" if quota.period == "total" else f"for a {quota.period}"
        left = show(max(0, meter.most - meter.used)).text
        found.append(Limit(f"{name} {when}", f"{meter.words}, {left} left", meter))
    if row.patterns:
        found.append(Limit("models", ", ".join(row.patterns)))
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest request of a key that is known: when, and what the key was called."""

    at: datetime
    name: str
    exact: bool = True


def last_seen(who: Identity) -> Seen | None:
    """None for a key that never asked for anything. One query, two where all rows are erased."""
    mine = Q(key_id=who[0], fingerprint=who[1])
    row = UsageRecord.objects.filter(mine).order_by("-time").values_list("time", "key").first()
    if row is not None:
        return Seen(*row)
    hour = UsageHour.objects.filter(mine).order_by("-hour").values_list("hour", "key").first()
    return None if hour is None else Seen(*hour, exact=False)


def last_used() -> dict[int, datetime]:
    """key_id -> when this issued key was used last, to the second. One query."""
    uses = KeyUse.objects.order_by().values_list("key_id")
    return dict(uses.annotate(Max("last_at")))


def unused(known: KnownKeys, found: Iterable[KeyUsage]) -> list[KeyUsage]:
    """The keys that exist and are not among these. Sign-ins that were not used are no news."""
    seen = {(use.owner.key_id, use.owner.fingerprint) for use in found}
    issued = [(pk, "") for pk, row in known.issued.items() if row.kind == KeyKind.ISSUED]
    forwarded = [(0, fingerprint) for fingerprint in known.labels]
    return [KeyUsage(known.owner(*who), Sums()) for who in (*issued, *forwarded) if who not in seen]
