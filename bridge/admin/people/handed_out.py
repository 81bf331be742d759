"""The managed settings that clients are handed, as the admin shows them: of a team, of a person."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest

from bridge.configuration import callers
from bridge.configuration.access import policy_of
from bridge.configuration.snapshot import Snapshot, current_prices, current_routes
from bridge.models import ApiKey, Team

OFF = "MANAGED_SETTINGS is off: no client gets any."
MOST_MEMBERS = 50


@dataclass(frozen=True, slots=True)
class HandedOut:
    """whose    for whom the text is
    text     the settings as JSON, or why there are none
    members  the people to choose from, by number and name
    """

    whose: str
    text: str
    members: tuple[tuple[int, str], ...] = ()


def to_team(request: HttpRequest, team: Team) -> HandedOut:
    """To one member whom the address names, else to whoever has a key of this team alone."""
    known = team.people.order_by("username").values_list("pk", "username")
    members = tuple(known[:MOST_MEMBERS])
    number = request.GET.get("member", "")
    person = team.people.filter(pk=number).first() if number.isdecimal() else None
    if person is not None:
        return HandedOut(f"{person} of {team}", _text(ApiKey(team=team, person=person)), members)
    return HandedOut(f"a key of {team} that is nobody's", _text(ApiKey(team=team)), members)


def to_person(person: User) -> HandedOut:
    """To a key of this person that names no team."""
    return HandedOut(str(person), _text(ApiKey(person=person)))


def _text(row: ApiKey) -> str:
    """By the rows as they are, which may be a second ahead of what is served."""
    if not settings.MANAGED_SETTINGS:
        return OFF
    signals = settings.OTLP_FORWARD_SIGNALS if settings.OTLP_FORWARD_URL else ()
    with transaction.atomic():
        built = Snapshot(routes=current_routes(), prices=current_prices())
        try:
            policy = policy_of(built, callers.of_row(row), settings.SAFEGUARDS, signals)
        except ValueError:
            return "Limits of this account make no sense: see Needs attention."
    return json.dumps(policy.settings, indent=2, ensure_ascii=False, sort_keys=True)
