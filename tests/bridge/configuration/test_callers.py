"""Rows -> who may call: keys with the people and the teams that they count for."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from bridge.configuration import callers
from bridge.configuration.callers import Callers
from bridge.configuration.row_faults import Fault, RowReader
from bridge.keys.authentication import Caller, IssuedKey, check_model
from bridge.models import ApiKey, PersonLimits, Team, TeamMember
from bridge.translation.errors.api_error import ApiError
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import spoil

pytestmark = pytest.mark.django_db


def read(last: Callers | None = None) -> tuple[dict[str, IssuedKey], list[Fault]]:
    """The keys by name, and what is wrong with rows."""
    reader = RowReader()
    found = callers.read(last or Callers(), reader)
    return {key.name: key for key in found.keys.values()}, reader.faults


def a_key(name: str, **given: object) -> ApiKey:
    return ApiKey.issue(name, given)[0]


def test_key_knows_its_person_and_the_team_that_it_counts_for() -> None:
    ann, zoe = a_user(name="ann"), a_user(name="zoe")
    blue, red = a_team("blue", ann, zoe, rpm=5), a_team("red", zoe, allowed="claude-*")
    PersonLimits.objects.create(user=zoe, budget_week=Decimal(3))
    a_key("of ann", person=ann), a_key("of zoe", person=zoe), a_key("of red", team=red)
    a_key("zoe for red", person=zoe, team=red), a_key("of nobody")
    keys, faults = read()
    named = {
        name: (key.person and key.person.name, key.team and key.team.name)
        for name, key in keys.items()
    }
    assert named == {
        "of ann": ("ann", "blue"),
        "of zoe": ("zoe", None),
        "of red": (None, "red"),
        "zoe for red": ("zoe", "red"),
        "of nobody": (None, None),
    }
    team, person = keys["of ann"].team, keys["of zoe"].person
    assert team is not None and (team.id, team.limits.rpm) == (blue.pk, 5)
    assert person is not None and person.limits.budget_week == Decimal(3)
    assert keys["of red"].allow_lists == (("claude-*",),)
    assert faults == []


def test_page_of_a_key_knows_the_same_of_it() -> None:
    ann = a_user(name="ann")
    a_team("blue", ann, rpm=5)
    PersonLimits.objects.create(user=ann, tpm=9)
    key = a_key("k", person=ann)
    assert callers.of_row(key) == read()[0]["k"]


@pytest.mark.parametrize(
    ("ended", "why"),
    [
        (lambda: User.objects.update(is_active=False), "belongs to ann, whose account is not act"),
        (lambda: Team.objects.update(enabled=False), "belongs to the team blue, which is not ena"),
    ],
)
def test_key_of_somebody_who_is_out_is_refused(ended: object, why: str) -> None:
    ann = a_user(name="ann")
    a_team("blue", ann)
    a_key("k", person=ann)
    assert read()[0]["k"].why_not(0) == ""
    assert callable(ended)
    ended()
    assert why in read()[0]["k"].why_not(0)


def test_broken_team_keeps_its_last_good_limits() -> None:
    team = a_team("blue", rpm=5)
    key = a_key("k", team=team)
    last = callers.read(Callers(), RowReader())
    spoil(team, unpriced="never")
    keys, faults = read(last)
    assert keys["k"].team == last.teams[team.pk]
    assert [(fault.kind, fault.name) for fault in faults] == [("teams", "blue")]
    assert read()[0][key.name].why_not(0), "and none at all are no freedom"


def test_broken_limits_of_a_person_keep_their_last_good_value() -> None:
    ann = a_user(name="ann")
    row = PersonLimits.objects.create(user=ann, rpm=5)
    a_key("k", person=ann)
    last = callers.read(Callers(), RowReader())
    spoil(row, allowed="[a")
    keys, faults = read(last)
    assert keys["k"].person == last.people[ann.pk]
    assert [fault.kind for fault in faults] == ["person_limits"]
    User.objects.update(is_active=False)
    assert read(last)[0]["k"].why_not(0), "who is out is out"


def test_ten_keys_take_as_many_queries_as_one(django_assert_num_queries: object) -> None:
    assert callable(django_assert_num_queries)
    people = [a_user(name=f"p{n}") for n in range(10)]
    team = a_team("blue", *people)
    TeamMember.objects.create(team=a_team("red"), user=people[0])
    for user in people:
        PersonLimits.objects.create(user=user, rpm=1)
        a_key(f"k-{user}", person=user), a_key(f"t-{user}", team=team)
    with django_assert_num_queries(6):
        read()


def test_name_must_be_allowed_by_key_and_person_and_team() -> None:
    ann = a_user(name="ann")
    PersonLimits.objects.create(user=ann, allowed="*")
    a_team("blue", ann, allowed="claude-*\nglm-*")
    a_key("k", person=ann, allowed="glm-*\nqwen-*")
    caller = Caller("f", read()[0]["k"])
    check_model(caller, "glm-5")
    check_model(caller, "anthropic/glm-5[1m]")
    for name in ("claude-sonnet-5", "qwen-3"):
        with pytest.raises(ApiError) as refused:
            check_model(caller, name)
        assert refused.value.status == 403
