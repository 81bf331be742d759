"""What needs attention now, whoever looks: backends, aliases, keys, budgets, processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Q
from django.http.request import split_domain_port
from django.urls import reverse
from django.utils.text import capfirst

from bridge.backends.status import BAD, WARN, ServingState, of_row
from bridge.concerns.concern import Concern
from bridge.concerns.limits import LimitedRow, limited_rows, spent_budgets, unpriced_budgets
from bridge.concerns.running import of_processes
from bridge.configuration import kept_snapshot
from bridge.configuration.documents import KINDS
from bridge.configuration.row_faults import Fault
from bridge.configuration.snapshot import Snapshot
from bridge.models import (
    AliasTarget,
    ApiKey,
    Backend,
    ModelAlias,
)
from bridge.models.attempts import AttemptCounts, attempts_since
from bridge.models.backends import ENV
from bridge.models.people.keys import KeyKind
from bridge.routing import addresses, resolve
from bridge.spans import exactly

ENOUGH_ATTEMPTS = 20
"""Fewer prove nothing."""
MANY_FAILED = 0.05
TOO_MANY_FAILED = 0.25
SOON = timedelta(days=7)


BackendLists = Mapping[Backend, int]
"""Backends in their order, each with how many models its list has."""


def backend_lists() -> BackendLists:
    """All backends, with their breakers. One query."""
    listed = Count("models", filter=Q(models__listed=True))
    rows = Backend.objects.select_related("breaker").annotate(listed=listed)
    return {row: row.listed for row in rows}


def of_gateway(
    now: datetime,
    host: str = "",
    *,
    configuration: bool = True,
    backends: BackendLists | None = None,
) -> list[Concern]:
    """The one list, the grave ones first.

    `host`: under which name the visitor came, with port; `configuration`: also what speaks of rows
    of the configuration; `backends`: as the page has read them already.
    """
    rows, limited = backend_lists() if backends is None else backends, limited_rows()
    found = [
        *_backends(rows, now, broken=not configuration),
        *_attempts(rows, now),
        *of_processes(limited, now),
        *spent_budgets(limited, now),
        *_expiring_keys(now),
    ]
    if configuration:
        found += _of_configuration(rows, limited, host)
    return sorted(found, key=lambda concern: not concern.is_grave)


def _of_configuration(
    rows: Iterable[Backend], limited: Iterable[LimitedRow], host: str
) -> Iterator[Concern]:
    built = kept_snapshot.current()
    yield from map(_fault, built.faults)
    yield from _missing_keys(rows)
    yield from _stranded_aliases()
    yield from _unlisted_targets(built)
    yield from unpriced_budgets(limited, built)
    yield from _any_host(host)


def _fault(fault: Fault) -> Concern:
    model = KINDS[fault.kind]
    text = f"{capfirst(str(model._meta.verbose_name))} {fault.name}: {fault.reason}"
    page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    href = reverse(page, args=[fault.id])
    return Concern(text, href, BAD, "broken", capfirst(str(model._meta.verbose_name)))


# --- backends -------------------------------------------------------------------------------------


def _backends(rows: BackendLists, now: datetime, *, broken: bool) -> Iterator[Concern]:
    """Their states, and lists that never came. What is `broken` may be told as a fault of its row
    instead."""
    for row, listed in rows.items():
        status = of_row(row, now)
        is_fault = status.state is ServingState.BROKEN and not broken
        if status.state is ServingState.OFF or is_fault:
            continue
        if status.needs_attention:
            text = f"Backend {row} {status.sentence}"
            yield Concern(text, _card(row.name), status.tone, status.word.lower(), "Backends")
        if not listed:
            text = f"Backend {row} has not listed its models yet"
            yield Concern(text, _card(row.name), WARN, "no list", "Backends")


def _missing_keys(rows: Iterable[Backend]) -> Iterator[Concern]:
    for row in rows:
        name = row.credential.removeprefix(ENV)
        if row.enabled and row.credential.startswith(ENV) and not settings.BACKEND_SECRET(name):
            text = f"Backend {row} wants its key from {name}, which is not set"
            page = reverse("admin:bridge_backend_change", args=[row.pk])
            yield Concern(f"{text}: callers' keys are sent", page, WARN, "no key", "Backend")


def _card(name: str) -> str:
    return f"{reverse('dashboard:backends')}#{name}"


def _attempts(rows: Iterable[Backend], now: datetime) -> Iterator[Concern]:
    """Backends of which many calls failed in the running hour and the one before, also where
    another one answered in their place."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    counts = attempts_since(since)
    for row in rows:
        found = counts.get(row.name, AttemptCounts())
        if found.asked >= ENOUGH_ATTEMPTS and found.failed_share >= MANY_FAILED:
            text = (
                f"{found.failed} of {found.asked} attempts at backend {row} failed "
                f"since {exactly(since)}"
            )
            tone = BAD if found.failed_share >= TOO_MANY_FAILED else WARN
            yield Concern(text, _card(row.name), tone, "failed attempts", "Backends")


# --- aliases --------------------------------------------------------------------------------------


def _stranded_aliases() -> Iterator[Concern]:
    """Those that lead to nothing but backends that are switched off."""
    leading = AliasTarget.objects.filter(backend__enabled=True).values("alias")
    stranded = ModelAlias.objects.filter(enabled=True, targets__isnull=False)
    for row in stranded.exclude(pk__in=leading).distinct():
        text = f"Alias {row} leads to backends that are switched off"
        yield Concern(text, _alias(row.pk), BAD, "alias", "Alias")


def _unlisted_targets(built: Snapshot) -> Iterator[Concern]:
    """Models that an alias leads to, and that the list of their backend does not have."""
    for alias in built.routes.aliases:
        if not alias.id:
            continue  # of the demo
        for target in resolve.targets_of(built.routes, alias):
            if not target.is_listed:
                text = (
                    f"Alias {alias.pattern} leads to {target.model}, which is not in the list of "
                    f"{target.backend.name}"
                )
                yield Concern(text, _alias(alias.id), WARN, "not listed", "Alias")


def _alias(pk: int) -> str:
    return reverse("admin:bridge_modelalias_change", args=[pk])


# --- keys, hosts ----------------------------------------------------------------------------------


def _expiring_keys(now: datetime) -> Iterator[Concern]:
    rows = ApiKey.objects.filter(enabled=True, kind=KeyKind.ISSUED, revoked_at=None)
    for row in rows.filter(expires_at__lt=now + SOON).order_by("expires_at"):
        assert row.expires_at is not None
        is_gone = row.expires_at <= now
        text = f"Key {row.name} {'expired' if is_gone else 'expires'} {_days(now, row.expires_at)}"
        href = reverse("admin:bridge_apikey_change", args=[row.pk])
        yield Concern(text, href, WARN, "expired" if is_gone else "expires", "Key")


def _days(now: datetime, at: datetime) -> str:
    """today, in 3 days, 12 days ago."""
    days = abs(at - now).days
    words = "1 day" if days == 1 else f"{days} days"
    if not days:
        return "within a day" if at > now else "within the last day"
    return f"in {words}" if at > now else f"{words} ago"


def _any_host(host: str) -> Iterator[Concern]:
    """Names under which the gateway is served, seen from the one that a page was asked by."""
    name, _ = split_domain_port(host)
    if "*" in settings.ALLOWED_HOSTS and addresses.is_public(name):
        text = f"Any name is served here, at a public address: set ALLOWED_HOSTS, such as to {name}"
        yield Concern(text, reverse("admin:index"), WARN, "hosts", "Admin")
