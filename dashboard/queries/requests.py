"""Single requests: the rows of a range, by what became of them and by whose they are."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from bridge.models import UsageHorizon, UsageRecord, UsageSession
from bridge.models.usage import OTHER_CLASS
from dashboard.display.purposes import CLASSES, UNKNOWN_CLASS
from dashboard.queries.keys import KnownKeys
from dashboard.usage.periods import Range

UNAUTHORIZED = 401
DELETED_MARK = " (deleted)"


def within(span: Range) -> QuerySet[UsageRecord]:
    """The requests that arrived in a range, without their details."""
    rows = UsageRecord.objects.filter(time__gte=span.start, time__lt=span.end)
    return rows.defer("detail")


def horizon(span: Range) -> datetime | None:
    """From when on single requests are there, where the range begins before. One query."""
    from_when = UsageHorizon.objects.values_list("complete_from", flat=True).first()
    return from_when if from_when and from_when > span.start else None


def of_class(word: str) -> Q:
    """The requests that sums have under this class, or that name none."""
    if word == UNKNOWN_CLASS:
        return Q(request_class="")
    if word == OTHER_CLASS:
        return ~Q(request_class__in=list(CLASSES))
    return Q(request_class=word)


def of_key(known: KnownKeys, name: str) -> Q:
    """The requests of whoever is called so today, as `Owner.shown` writes it."""
    issued = [pk for pk, row in known.issued.items() if row.name == name]
    named = [fingerprint for fingerprint, label in known.labels.items() if label == name]
    if name.startswith("key-"):
        named.append(name.removeprefix("key-"))
    found = Q(key_id__in=issued, fingerprint="") | Q(key_id=0, fingerprint__in=named)
    if name.endswith(DELETED_MARK):
        last = name.removesuffix(DELETED_MARK)
        gone = Q(key_id__gt=0) & ~Q(key_id__in=list(known.issued))
        found |= gone & (Q(key=last) | Q(key_id=_number(last)))
    return found


def _number(name: str) -> int:
    """Of a deleted key that never had a name: "key 7"."""
    number = name.removeprefix("key ")
    return int(number) if number.isdecimal() and len(number) < 18 else -1


def one(request_id: str) -> UsageRecord | None:
    """A request by its id. One query."""
    return UsageRecord.objects.filter(request_id=request_id).first()


def session_of(row: UsageRecord) -> UsageSession | None:
    """The session that a request was a turn of. At most one query."""
    if not row.session:
        return None
    nobody = row.status == UNAUTHORIZED and not row.key_id
    fingerprint = "" if nobody else row.fingerprint
    return UsageSession.objects.filter(
        session=row.session, key_id=row.key_id, fingerprint=fingerprint
    ).first()
