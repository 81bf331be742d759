"""Rows -> who may call: the issued keys, with the people and teams that they count for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.contrib.auth.models import User
from django.db.models import Q

from bridge.client_settings import checking
from bridge.configuration.row_faults import Fault, RowReader
from bridge.keys.authentication import IssuedKey, Principal
from bridge.models import ApiKey, EndedKey, PersonLimits, Team, TeamMember
from bridge.models.people.ended_keys import EndReason
from bridge.models.people.keys import KeyKind

MOST_ENDED_KEYS = 20_000
"""The newest ones are known to this process; a use of an older one is that of an unknown key."""


EVERY, SESSIONS = Q(), Q(kind=KeyKind.SESSION)


@dataclass(frozen=True, slots=True)
class Callers:
    """Keys by digest, ended ones included; people with keys and teams by number."""

    keys: Mapping[str, IssuedKey] = field(default_factory=dict)
    people: Mapping[int, Principal] = field(default_factory=dict)
    teams: Mapping[int, Principal] = field(default_factory=dict)


def read(last: Callers, reader: RowReader) -> Callers:
    """All callers; `last` has what serves on for broken teams and limits of people.

    Where that has none either, the keys of the team or the person are refused.
    """
    teams = _teams(last, reader)
    people = _people(last, reader)
    rows = ApiKey.objects.select_related(None)
    return Callers(_ended_keys() | _issued(rows, people, teams, reader), people, teams)


def with_sessions(last: Callers, reader: RowReader) -> Callers:
    """The same callers with the keys of sign-ins as they are now.

    Four queries and a look at these keys alone, however large the configuration is.
    """
    people = dict(last.people) | _people(last, reader, SESSIONS)
    rows = ApiKey.objects.select_related(None).filter(SESSIONS)
    found = {digest: key for digest, key in last.keys.items() if not key.is_session}
    return Callers(found | _issued(rows, people, last.teams, reader), people, last.teams)


def _issued(
    rows: Iterable[ApiKey],
    people: Mapping[int, Principal],
    teams: Mapping[int, Principal],
    reader: RowReader,
) -> dict[str, IssuedKey]:
    """The keys of these rows, by digest."""
    memberships = _memberships()

    def make(row: ApiKey) -> list[IssuedKey]:
        member_of = [teams[id] for id in memberships.get(row.person_id or 0, ()) if id in teams]
        only = member_of[0] if len(member_of) == 1 else None
        team = teams.get(row.team_id) if row.team_id else only
        return keys_of(row, people.get(row.person_id or 0), team, member_of)

    return {key.digest: key for keys in reader.read(rows, make) for key in keys}


def of_row(row: ApiKey) -> IssuedKey:
    """The present key of one row, for pages. Raises ValueError for one that makes no sense."""
    team = row.counted_team()
    person = None
    if row.person is not None:
        limits = PersonLimits.objects.filter(user=row.person).first()
        person = _person(row.person, limits)
    member_of = [_team(each) for each in row.person.teams.all()] if row.person else []
    return keys_of(row, person, _team(team) if team else None, member_of)[0]


def keys_of(
    row: ApiKey,
    person: Principal | None,
    team: Principal | None,
    member_of: Sequence[Principal] = (),
) -> list[IssuedKey]:
    """The keys that this row is known by: its own, and until its end the one before it.

    `member_of`: the teams of its person, by name.
    """
    ends = row.expires_at.timestamp() if row.expires_at else None
    key = IssuedKey(
        row.pk,
        row.name,
        row.enabled,
        ends,
        row.digest,
        row.patterns,
        row.sample_percent,
        row.sample_until.timestamp() if row.sample_until else None,
        row.limits(),
        row.networks,
        row.last_four,
        EndReason.REVOKED.value if row.revoked_at else "",
        row.revoked_at.timestamp() if row.revoked_at else 0.0,
        person,
        team,
        _with_settings(team, member_of),
        row.kind == KeyKind.SESSION,
    )
    if not row.former_digest or row.former_until is None:
        return [key]
    former = replace(
        key,
        digest=row.former_digest,
        four=row.former_four,
        ended=EndReason.ROTATED.value,
        ended_at=row.former_until.timestamp(),
    )
    return [key, former]


def _with_settings(team: Principal | None, member_of: Sequence[Principal]) -> tuple[Principal, ...]:
    """The teams whose client settings count, the weakest first: by name, the key's own last."""
    others = (each for each in member_of if team is None or each.id != team.id)
    every = (*others, *([team] if team else []))
    return tuple(each for each in every if each.is_active and each.client_settings)


# --- people and teams -------------------------------------------------------------------------


def _teams(last: Callers, reader: RowReader) -> dict[int, Principal]:
    def last_good(row: Team) -> Principal:
        return last.teams.get(row.pk) or Principal(row.pk, row.name, is_active=False)

    def make(row: Team) -> Principal:
        if wrong := checking.faults(row.client_settings):
            reader.faults.append(
                Fault(row.KIND, row.pk, str(row), f"client_settings: {' '.join(wrong)}")
            )
        return _team(row)

    found = reader.read(Team.objects.all(), make, last_good)
    return {team.id: team for team in found}


def _team(row: Team) -> Principal:
    """Of its client settings those that make sense."""
    good = checking.good_part(row.client_settings)
    return Principal(row.pk, row.name, row.enabled, row.patterns, row.limits(), good)


def _people(last: Callers, reader: RowReader, which: Q = EVERY) -> dict[int, Principal]:
    """Those who have such keys."""
    keys = ApiKey.objects.filter(which).exclude(person=None)
    users = User.objects.filter(pk__in=keys.values("person"))
    found = {user.pk: _person(user) for user in users.only("username", "is_active")}

    def last_good(row: PersonLimits) -> Principal:
        return last.people.get(row.user_id) or Principal(
            row.user_id, row.user.username, is_active=False
        )

    rows = PersonLimits.objects.filter(user__in=list(found)).select_related("user")
    limited = reader.read(rows, lambda row: _person(row.user, row), last_good)
    for person in limited:
        found[person.id] = replace(
            person, is_active=person.is_active and found[person.id].is_active
        )
    return found


def _person(user: User, row: PersonLimits | None = None) -> Principal:
    if row is None:
        return Principal(user.pk, user.username, user.is_active)
    return Principal(user.pk, user.username, user.is_active, row.patterns, row.limits())


def _memberships() -> dict[int, list[int]]:
    """The teams of each person, by name."""
    teams: dict[int, list[int]] = {}
    pairs = TeamMember.objects.order_by("team__name").values_list("user_id", "team_id")
    for user, team in pairs:
        teams.setdefault(user, []).append(team)
    return teams


# --- keys that are good no more ---------------------------------------------------------------


def _ended_keys() -> dict[str, IssuedKey]:
    """So that their use is known for what it is."""
    return {key.digest: key for key in _ended()}


def _ended() -> Iterator[IssuedKey]:
    for row in EndedKey.objects.all()[:MOST_ENDED_KEYS]:
        yield IssuedKey(
            row.key_id,
            row.name,
            digest=row.digest,
            four=row.last_four,
            ended=row.why,
            ended_at=row.ended_at.timestamp(),
        )
