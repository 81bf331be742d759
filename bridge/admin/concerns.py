"""What needs attention beside backends and aliases: the ledger, and the limits of keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.db.models import Max, Sum
from django.urls import reverse
from django.utils import timezone

from bridge.configuration import unpriced
from bridge.configuration.row_faults import BROKEN
from bridge.configuration.snapshot import Snapshot
from bridge.keys.limiter import SEVERAL
from bridge.live import processes
from bridge.models import ApiKey, LostRecords

LOST_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class AdminConcern:
    """Something that an operator should look at, with the page where it is mended."""

    text: str
    href: str
    grave: bool = False


def about_ledger() -> Iterator[AdminConcern]:
    """Requests that are in no report."""
    rows = LostRecords.objects.filter(hour__gte=timezone.now() - LOST_FOR)
    lost = rows.aggregate(count=Sum("count"), last=Max("hour"))
    if lost["count"]:
        text = (
            f"{lost['count']} usage records were lost, last at {lost['last']:%Y-%m-%d %H}:00 UTC: "
            "neither the disk nor memory took them"
        )
        yield AdminConcern(text, reverse("dashboard:requests"), grave=True)


def about_processes() -> Iterator[AdminConcern]:
    """Background work that fails, and what cannot be read, each once."""
    sentences = {line for row in processes.living() for line in row.troubles.splitlines()}
    for text in sorted(sentences):
        yield AdminConcern(text, reverse("dashboard:overview"), grave=True)


def about_limits(built: Snapshot) -> Iterator[AdminConcern]:
    """Limits that do not mean what they say."""
    keys = [row for row in ApiKey.objects.filter(enabled=True) if _has_limits(row)]
    if keys:
        for text in _sharing():
            yield AdminConcern(text, reverse("admin:bridge_apikey_changelist"), grave=True)
    for found in unpriced.of_keys(keys, built):
        query = urlencode({"model": found.models[0]})
        yield AdminConcern(found.text, f"{reverse('admin:bridge_price_add')}?{query}")


def _has_limits(row: ApiKey) -> bool:
    try:
        return not row.limits().is_empty
    except BROKEN:
        return False  # named as a fault of the configuration


def _sharing() -> list[str]:
    """Why processes do not count together, each reason once."""
    living = processes.living()
    problems = {f"{row.problem[:1].upper()}{row.problem[1:]}" for row in living if row.problem}
    if not settings.REDIS_URL and max(len(living), settings.WORKERS) > 1:
        problems.add(f"{SEVERAL[:1].upper()}{SEVERAL[1:]}")
    return sorted(problems)
