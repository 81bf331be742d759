"""A ledger of millions of requests, made within minutes: a few days by the ledger's own writer, and
copies of them, shifted in time and by keys, by the database itself.

So rows and sums agree as the writer's do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.contrib.auth.models import User
from django.db import connection, models

from bridge.ledger.sums import kept as kept_sums
from bridge.ledger.sums.kept import KeptTable
from bridge.ledger.writer import enter
from bridge.models import (
    ApiKey,
    AttemptHour,
    Backend,
    Change,
    DiscoveredModel,
    ModelAlias,
    Price,
    Team,
    UsageHour,
    UsageRecord,
    UsageSession,
)
from bridge.models.aliases import AliasTarget
from bridge.models.people.teams import TeamMember
from tests.sizes.requests_of_days import (
    BACKENDS,
    KEYS_A_PERSON,
    MODELS,
    PEOPLE_A_TEAM,
    UNPRICED,
    Caller,
    records,
)

BLOCK_DAYS = 3
"""What the writer makes; the rest are copies of it."""
AT_ONCE = 500
COPIED = (UsageRecord, UsageHour, AttemptHour, UsageSession)
_SHIFTED = {
    "sqlite": "strftime('%%Y-%%m-%%d %%H:%%M:%%S', {name}, '-{days} days') || substr({name}, 20)",
    "postgresql": "{name} - interval '{days} days'",
}

_DAY = {"sqlite": "date(hour) || ' 00:00:00'", "postgresql": "date_trunc('day', hour, 'UTC')"}


def fill(count: int, keys: int, days: int) -> None:
    """About `count` requests of `keys` keys over the `days` before this hour."""
    assert not UsageRecord.objects.exists(), "there is a ledger already"
    blocks = max(1, days // BLOCK_DAYS)
    configure(keys)
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    made = records(now - timedelta(days=BLOCK_DAYS), BLOCK_DAYS, count // blocks, keys)
    while few := list(islice(made, AT_ONCE)):
        enter(few)
    bounds = {model: model._default_manager.latest("pk").pk for model in COPIED}
    with _without_indexes(UsageRecord):
        for model in COPIED:
            for number in range(1, blocks):
                _copy(model, bounds[model], number, keys)
    for kept in kept_sums.TABLES:
        _keep(kept)
    connection.cursor().execute("ANALYZE")


@contextmanager
def _without_indexes(model: type[models.Model]) -> Iterator[None]:
    """They are made at the end, from rows that are all there: in a tenth of the time."""
    with connection.schema_editor() as editor:
        for index in model._meta.indexes:
            editor.remove_index(model, index)
    yield
    with connection.schema_editor() as editor:
        for index in model._meta.indexes:
            editor.add_index(model, index)


def _copy(model: type[models.Model], last: int, number: int, keys: int) -> None:
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    names = ", ".join(f'"{field.column}"' for field in fields)
    values = ", ".join(_copied(field, number, keys) for field in fields)
    table = f'"{model._meta.db_table}"'
    statement = f"INSERT INTO {table} ({names}) SELECT {values} FROM {table} WHERE id <= %s"  # noqa: S608 - names of columns
    with connection.cursor() as cursor:
        cursor.execute(statement, [last])


def _keep(kept: KeptTable) -> None:
    """The sums that are kept beside those of hours, anew: a day may be in two copies."""
    kept.table._default_manager.all().delete()
    columns = {name: name for name in kept.unique} | {name: f"SUM({name})" for name in kept.counted}
    if kept.of_days:
        columns |= {"day": _DAY[connection.vendor], "last_hour": "MAX(hour)"}
    if kept.named:
        columns |= {name: f"MAX({name})" for name in ("key", "person", "team")}
    names = ", ".join(f'"{name}"' for name in columns)
    groups = ", ".join(columns[name] for name in kept.unique)
    source, table = UsageHour._meta.db_table, kept.table._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{table}" ({names}) SELECT {", ".join(columns.values())} '  # noqa: S608 - names of columns
            f'FROM "{source}" GROUP BY {groups}'
        )


def _copied(field: models.Field[Any, Any], copy: int, keys: int) -> str:
    """The column of a copy: earlier, of another key, under names of its own."""
    name = f'"{field.column}"'
    if isinstance(field, models.DateTimeField):
        return _SHIFTED[connection.vendor].format(name=name, days=copy * BLOCK_DAYS)
    key = f"((key_id - 1 + {copy * 37}) %% {keys} + 1)"
    person = f"(({key} - 1) / {KEYS_A_PERSON} + 1)"
    numbers = {"key": key, "person": person, "team": f"(({person} - 1) / {PEOPLE_A_TEAM} + 1)"}
    whose = field.name.removesuffix("_id")
    if whose in numbers:
        number = numbers[whose]
        return number if field.name.endswith("_id") else f"'{whose}-' || {number}"
    if field.name in ("request_id", "session", "prompt_id"):
        return f"CASE WHEN {name} = '' THEN '' ELSE {name} || '-{copy}' END"
    return name


# --- the configuration ----------------------------------------------------------------------------


def configure(keys: int) -> None:
    """Backends, models, aliases and prices; keys with their people and teams, and their history."""
    backends = [
        Backend.objects.create(name=name, url=f"http://{name}.example.com/v1", position=place)
        for place, name in enumerate(BACKENDS)
    ]
    for number, name in enumerate(MODELS):
        backend = backends[number % len(backends)]
        DiscoveredModel.objects.create(backend=backend, name=name, context=200_000)
        if name not in UNPRICED:
            Price.objects.create(model=name, input_per_mtok="0.3", output_per_mtok="1.2")
    for number in range(6):
        alias = ModelAlias.objects.create(pattern=f"claude-{number}-*")
        AliasTarget.objects.create(
            alias=alias, backend=backends[number % len(backends)], model=MODELS[number]
        )
    callers = [Caller(number + 1) for number in range(keys)]
    _people(callers)
    rows = list(_keys(callers))
    ApiKey.objects.bulk_create(rows, batch_size=AT_ONCE)
    Change.objects.bulk_create(
        (
            Change(
                actor="admin",
                kind=ApiKey.KIND,
                object_id=row.pk,
                label=row.name,
                after={"name": row.name},
            )
            for row in rows
        ),
        batch_size=AT_ONCE,
    )


def _people(callers: Sequence[Caller]) -> None:
    teams = sorted({caller.team for caller in callers})
    people = {caller.person: caller.team for caller in callers}
    Team.objects.bulk_create(Team(pk=number, name=f"team-{number}") for number in teams)
    User.objects.bulk_create(User(pk=number, username=f"person-{number}") for number in people)
    TeamMember.objects.bulk_create(
        TeamMember(team_id=team, user_id=person) for person, team in people.items()
    )


def _keys(callers: Sequence[Caller]) -> Iterator[ApiKey]:
    """Each tenth has a budget."""
    for caller in callers:
        row = ApiKey(pk=caller.number, name=f"key-{caller.number}", person_id=caller.person)
        row.team_id = caller.team
        if caller.number % 10 == 0:
            row.budget_usd, row.period = 500, "month"
        row.mint()
        yield row
