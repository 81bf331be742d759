"""The deliveries that wait, in rows, so that they outlive a process. For threads.

Each rule gets its events in the order in which they happened: the first delivery that waits is the
one that is tried, and the ones behind it wait for it. A try is written down before it is made, so a
process that is killed during one leaves a delivery whose next try is planned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min

from bridge.keys import encryption
from bridge.models import DeliveryOutcome, WarningDelivery, WarningRule
from bridge.models.warnings.rules import secret_bytes
from bridge.warnings.delivery_error import DeliveryError
from bridge.warnings.messages import Destination, WarningMessage, message_of

PAUSES = (5, 30, 120, 600, 1800, 3600, 7200, 14_400)
"""Seconds until the next try; the last one counts for all that follow."""
GIVEN_UP_AFTER = timedelta(hours=24)
"""Since the event. What is older is not news."""
UNREADABLE = "its address or secret cannot be read: SECRET_KEY has changed"
NO_BASE64 = "its secret is no base64 behind whsec_"
NOT_SET = "its environment variable is not set"


@dataclass(frozen=True, slots=True)
class Due:
    """The delivery that is next for one rule. `tries` before this one."""

    delivery: int
    rule: int
    tries: int
    message: WarningMessage


def due(now: datetime) -> list[Due]:
    """The next delivery of each enabled rule, where its time has come."""
    waiting = WarningDelivery.objects.filter(outcome=DeliveryOutcome.WAITING)
    if not waiting.exists():
        return []  # nearly always, and asked every other second
    _give_up_old(now)
    waiting = waiting.filter(rule__enabled=True)
    first = waiting.order_by().values("rule").annotate(first=Min("pk")).values("first")
    rows = WarningDelivery.objects.filter(pk__in=first, next_try_at__lte=now)
    return [_due(row) for row in rows.select_related("event")]


def due_of(rule: int, now: datetime) -> Due | None:
    """The next delivery of this rule, if its time has come."""
    waiting = WarningDelivery.objects.filter(
        outcome=DeliveryOutcome.WAITING, rule=rule, rule__enabled=True
    )
    row = waiting.select_related("event").order_by("pk").first()
    return _due(row) if row is not None and row.next_try_at <= now else None


def _due(row: WarningDelivery) -> Due:
    return Due(row.pk, row.rule_id, row.tries, message_of(row.event))


def _give_up_old(now: datetime) -> None:
    old = WarningDelivery.objects.filter(
        outcome=DeliveryOutcome.WAITING, event__at__lt=now - GIVEN_UP_AFTER
    )
    old.update(outcome=DeliveryOutcome.GIVEN_UP, done_at=now)


def claim(each: Due, now: datetime) -> bool:
    """Write a try down before it is made; False where another process makes it."""
    pause = PAUSES[min(each.tries, len(PAUSES) - 1)]
    rows = WarningDelivery.objects.filter(
        pk=each.delivery, outcome=DeliveryOutcome.WAITING, tries=each.tries
    )
    planned = now + timedelta(seconds=pause)
    return rows.update(tries=each.tries + 1, next_try_at=planned) == 1


def delivered(each: Due, now: datetime) -> None:
    WarningDelivery.objects.filter(pk=each.delivery).update(
        outcome=DeliveryOutcome.DELIVERED, done_at=now, last_error=""
    )


def failed(each: Due, reason: str) -> None:
    WarningDelivery.objects.filter(pk=each.delivery).update(last_error=reason)


def retry_now(rule: int, now: datetime) -> None:
    """A test got through, so what waits need not wait longer."""
    WarningDelivery.objects.filter(rule=rule, outcome=DeliveryOutcome.WAITING).update(
        next_try_at=now
    )


def destination(rule: int) -> Destination:
    """Where this rule sends now. Raises DeliveryError, or WarningRule.DoesNotExist."""
    return destination_of(WarningRule.objects.get(pk=rule))


def destination_of(row: WarningRule) -> Destination:
    """Where this rule sends. Raises DeliveryError."""
    if row.recipients:
        return Destination(row.name, recipients=tuple(row.recipients))
    try:
        address, secret = row.address, row.signing_secret
    except encryption.UnsealError:
        raise DeliveryError(UNREADABLE) from None
    if not address or (row.secret and not secret):
        raise DeliveryError(NOT_SET)
    try:
        secret_bytes(secret)
    except ValueError:
        raise DeliveryError(NO_BASE64) from None
    return Destination(row.name, address, secret)
