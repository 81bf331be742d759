"""What needs attention of running processes: lost records, failing work, limits apart, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Max, Sum
from django.urls import reverse

from bridge.backends.status import BAD, WARN
from bridge.concerns.concern import Concern
from bridge.concerns.limits import LimitedRow, has_limits
from bridge.keys.limiter import SEVERAL
from bridge.live import processes
from bridge.models import DeliveryOutcome, GatewayProcess, LostRecords, WarningDelivery
from bridge.spans import exactly

LOST_FOR = timedelta(days=7)
"""So long lost records are named."""
UNDELIVERED_FOR = timedelta(days=2)
FAILING_TRIES = 3
"""Fewer may be a restart of the receiver."""


def of_processes(rows: Iterable[LimitedRow], now: datetime) -> list[Concern]:
    """Lost records, failing work, warnings that nobody takes, and limits that are not shared where
    any of these rows has some."""
    living = processes.living(now)
    return [*_lost(now), *_failing(living), *_apart(living, rows), *_undelivered(now)]


def _lost(now: datetime) -> Iterator[Concern]:
    """Requests that are in no report."""
    rows = LostRecords.objects.filter(hour__gte=now - LOST_FOR)
    lost = rows.aggregate(count=Sum("count"), last=Max("hour"))
    if lost["count"]:
        text = (
            f"{lost['count']} usage records were lost, last at {exactly(lost['last'])}: "
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


def _apart(living: Sequence[GatewayProcess], rows: Iterable[LimitedRow]) -> Iterator[Concern]:
    """Limits that processes count each for themselves."""
    if (problems := _problems(living)) and any(map(has_limits, rows)):
        href = reverse("admin:bridge_apikey_changelist")
        yield from (Concern(text, href, BAD, "limits", "Keys") for text in problems)


def _problems(living: Sequence[GatewayProcess]) -> list[str]:
    """Why processes do not count together, each reason once."""
    problems = {f"{row.problem[:1].upper()}{row.problem[1:]}" for row in living if row.problem}
    if not settings.REDIS_URL and max(len(living), settings.WORKERS) > 1:
        problems.add(f"{SEVERAL[:1].upper()}{SEVERAL[1:]}")
    return sorted(problems)
