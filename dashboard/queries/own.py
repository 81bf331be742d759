"""What belongs to one person: requests, sessions, keys.

A request is a person's when it counted for the person at the time: a key may have been somebody
else's before.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import User
from django.db.models import Exists, OuterRef, Q

from bridge.models import ApiKey, Team, UsageHour, UsageRecord
from bridge.models.people.keys import KeyKind


def used_by(person: int) -> Q:
    """The requests, and their sums, that counted for this user."""
    return Q(person_id=person) & Q(person_id__gt=0)


def sessions_of(person: int) -> Q:
    """Sessions are known by their key: of keys that counted for others too, only those of which
    every request that is kept is this person's. Two queries."""
    mine = UsageHour.objects.filter(used_by(person), key_id__gt=0).order_by()
    ever = list(mine.values_list("key_id", flat=True).distinct())
    others = UsageHour.objects.filter(key_id__in=ever).exclude(person_id=person).order_by()
    shared = list(others.values_list("key_id", flat=True).distinct())
    alone = Q(key_id__in=set(ever) - set(shared))
    if not shared:
        return alone
    turns = UsageRecord.objects.filter(session=OuterRef("session"), key_id=OuterRef("key_id"))
    own, foreign = turns.filter(person_id=person), turns.exclude(person_id=person)
    return alone | (Q(key_id__in=shared) & Q(Exists(own)) & ~Q(Exists(foreign)))


def keys_of(person: int) -> list[ApiKey]:
    """The keys of a person that were issued to them. One query."""
    rows = ApiKey.objects.filter(person_id=person, kind=KeyKind.ISSUED)
    return list(rows.select_related("person", "team"))


def teams_of(person: User, keys: Iterable[ApiKey]) -> list[Team]:
    """The teams whose limits hold for some key of the person, or would for a new one."""
    found = [key.team for key in keys if key.team is not None and key.state == "good"]
    if (only := ApiKey(person=person).counted_team()) is not None:
        found.append(only)
    return sorted({team.pk: team for team in found}.values(), key=lambda team: team.name)
