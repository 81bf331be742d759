"""Single requests: the rows of a range, by what became of them and by whose they are."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q, QuerySet

from bridge.models import UsageRecord, UsageSession
from bridge.models.usage import OTHER_CLASS
from bridge.outcomes import ABANDONED
from dashboard.display.purposes import CLASSES, UNKNOWN_CLASS
from dashboard.queries.keys import KnownKeys
from dashboard.usage.key_owners import UNNAMED
from dashboard.usage.periods import Range

UNAUTHORIZED = 401
DELETED_MARK = " (deleted)"
OUTCOMES: Mapping[str, Q] = {
    "answered": Q(status__lt=400),
    "refused": Q(status__gte=400, status__lt=ABANDONED),
    "abandoned": Q(status=ABANDONED),
    "error": Q(status__gt=ABANDONED),
}


def within(span: Range) -> QuerySet[UsageRecord]:
    """The requests that arrived in a range, without their details."""
    rows = UsageRecord.objects.filter(time__gte=span.start, time__lt=span.end)
    return rows.defer("detail")


def of_outcome(word: str) -> Q:
    """Nothing for a word that is no outcome."""
    return OUTCOMES.get(word, Q(pk__in=()))


def of_class(word: str) -> Q:
    """The requests that sums have under this class, or that name none."""
    if word == UNKNOWN_CLASS:
        return Q(request_class="")
    if word == OTHER_CLASS:
        return ~Q(request_class__in=list(CLASSES))
    return Q(request_class=word)


def of_key(known: KnownKeys, name: str) -> Q:
    """The requests of whoever is called so today, as `Owner.shown` writes it."""
    if name == UNNAMED:
        return Q(key_id=0, fingerprint="")
    issued = [pk for pk, row in known.issued.items() if row.name == name]
    named = [fingerprint for fingerprint, label in known.labels.items() if label == name]
    if name.startswith("key-"):
        named.append(name.removeprefix("key-"))
    found = Q(key_id__in=issued) | Q(key_id=0, fingerprint__in=named)
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
