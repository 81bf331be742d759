"""What needs attention beside backends and aliases: one query for the admin and the dashboard.

Each face adds what only it knows: the admin the faults of configuration rows, the dashboard what
the sums of its time range show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Count, Max, Sum
from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.configuration import unpriced
from bridge.configuration.row_faults import BROKEN
from bridge.configuration.snapshot import Snapshot
from bridge.keys.limiter import SEVERAL
from bridge.keys.limits import Account, AccountKind, AccountRef
from bridge.live import processes
from bridge.models import (
    ApiKey,
    DeliveryOutcome,
    GatewayProcess,
    LostRecords,
    PersonLimits,
    Team,
    WarningDelivery,
)
from bridge.models.people.limit_columns import LimitColumns

LOST_FOR = timedelta(days=7)
"""So long lost records are named."""
UNDELIVERED_FOR = timedelta(days=2)
FAILING_TRIES = 3
"""Fewer may be a restart of the receiver."""


@dataclass(frozen=True, slots=True)
class Concern:
    """Something that an operator should look at.

    word   one or two words for a badge, in lower case
    href   where it is looked into or mended, `link` what stands there; both may be ""
    tone   as the states of backends have it
    """

    text: str
    href: str = ""
    tone: str = WARN
    word: str = ""
    link: str = ""

    @property
    def is_grave(self) -> bool:
        return self.tone == BAD


def of_every_page(now: datetime) -> list[Concern]:
    """Those that do not depend on a range of time: lost records, failing work, limits apart."""
    living = processes.living(now)
    return [*_lost(now), *_failing(living), *_apart(living), *_undelivered(now)]


def _lost(now: datetime) -> Iterator[Concern]:
    """Requests that are in no report."""
    rows = LostRecords.objects.filter(hour__gte=now - LOST_FOR)
    lost = rows.aggregate(count=Sum("count"), last=Max("hour"))
    if lost["count"]:
        text = (
            f"{lost['count']} usage records were lost, last at {lost['last']:%Y-%m-%d %H}:00 UTC: "
            "neither the disk nor memory took them"
        )
        yield Concern(text, reverse("dashboard:requests"), BAD, "lost records", "Requests")


def _undelivered(now: datetime) -> Iterator[Concern]:
    """Rules whose destination did not take a warning for a while."""
    rows = WarningDelivery.objects.filter(
        outcome__in=(DeliveryOutcome.WAITING, DeliveryOutcome.GIVEN_UP),
        tries__gte=FAILING_TRIES,
        event__at__gte=now - UNDELIVERED_FOR,
    )
    found = rows.order_by("rule__name").values_list("rule", "rule__name")
    for rule, name, count, error in found.annotate(Count("pk"), Max("last_error")):
        words = "1 warning" if count == 1 else f"{count} warnings"
        text = f"{words} of rule {name} could not be delivered: {error}"
        href = reverse("admin:bridge_warningrule_change", args=[rule])
        yield Concern(text, href, WARN, "warnings", "Rule")


def _failing(living: Iterable[GatewayProcess]) -> Iterator[Concern]:
    """Background work that fails, and what cannot be read, each once."""
    sentences = {line for row in living for line in row.troubles.splitlines()}
    for text in sorted(sentences):
        yield Concern(text, reverse("dashboard:overview"), BAD, "failing")


def _apart(living: Sequence[GatewayProcess]) -> Iterator[Concern]:
    """Limits that processes count each for themselves."""
    if (problems := _problems(living)) and any(map(_has_limits, _limited_rows())):
        href = reverse("admin:bridge_apikey_changelist")
        yield from (Concern(text, href, BAD, "limits", "Keys") for text in problems)


def _problems(living: Sequence[GatewayProcess]) -> list[str]:
    """Why processes do not count together, each reason once."""
    problems = {f"{row.problem[:1].upper()}{row.problem[1:]}" for row in living if row.problem}
    if not settings.REDIS_URL and max(len(living), settings.WORKERS) > 1:
        problems.add(f"{SEVERAL[:1].upper()}{SEVERAL[1:]}")
    return sorted(problems)


LimitedRow = ApiKey | PersonLimits | Team


def limited_accounts() -> Iterator[Account]:
    """All that have limits, with those that make sense."""
    for row in _limited_rows():
        if _has_limits(row):
            name = row.username if isinstance(row, PersonLimits) else row.name
            yield Account(_ref(row), name, row.limits())


def _ref(row: LimitedRow) -> AccountRef:
    if isinstance(row, PersonLimits):
        return AccountRef(AccountKind.PERSON, row.user_id)
    return AccountRef(AccountKind.TEAM if isinstance(row, Team) else AccountKind.KEY, row.pk)


def _limited_rows() -> Iterator[LimitedRow]:
    """What may have limits: good keys, teams, people."""
    yield from ApiKey.objects.filter(enabled=True)
    yield from Team.objects.filter(enabled=True)
    yield from PersonLimits.objects.filter(user__is_active=True).select_related("user")


def _has_limits(row: LimitColumns) -> bool:
    try:
        return not row.limits().is_empty
    except BROKEN:
        return False  # named as a fault of the configuration


def of_budgets(built: Snapshot) -> Iterator[Concern]:
    """Budgets that do not count models without a known price."""
    rows = [row for row in _limited_rows() if _has_limits(row)]
    for found in unpriced.of_rows(rows, built):
        query = urlencode({"model": found.models[0]})
        yield Concern(
            found.text,
            f"{reverse('admin:bridge_price_add')}?{query}",
            WARN,
            "budget",
            "Add a price",
        )
