"""The pages of teams and of limits of people: members, what is spent, whose keys count."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from bridge.admin.people.teams import keys_of_team
from bridge.ledger.record import Record
from bridge.ledger.writer import enter
from bridge.models import ApiKey, Change, PersonLimits, Team
from bridge.models.people.keys import KeyKind
from tests.bridge.admin_pages import form, of, page, said, text
from tests.bridge.people import a_team, a_user, browser

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return browser("operator")


def test_operator_makes_a_team_with_members(client: Client) -> None:
    ann = a_user(name="ann")
    address = of("team", "add")
    members = {"memberships-0-user": str(ann.pk), "memberships-TOTAL_FORMS": "1"}
    client.post(address, form(client, address) | {"name": "blue", "budget_day": "5"} | members)
    team = Team.objects.get()
    assert team.document() == {"name": "blue", "budget_day": 5.0, "members": ["ann"]}
    (change,) = Change.objects.all()
    assert (change.actor, change.after) == ("operator", team.document())


def test_page_shows_what_is_spent_and_whose_keys_count(client: Client) -> None:
    ann, zoe = a_user(name="ann"), a_user(name="zoe")
    team = a_team("blue", ann, zoe, budget_month=Decimal(2), tokens_day=1000)
    a_team("red", zoe)
    ApiKey.issue("of ann", {"person": ann}), ApiKey.issue("of zoe", {"person": zoe})
    ApiKey.issue("its own", {"team": team})
    ApiKey.issue("sign-in", {"person": ann, "kind": KeyKind.SESSION})
    used: dict[str, Any] = {"cost_nano_usd": 5 * 10**8, "input_tokens": 1200}
    enter([Record("req_1", status=200, key="k", key_id=1, team="blue", team_id=team.pk, **used)])
    panel = client.get(page(team)).context["panel"]
    assert [(q.limit, q.used, q.left, q.percent) for q in panel["quotas"]] == [
        ("2.00 USD a month", "0.50 USD", "1.50 USD", 25),
        ("1\u202f000 tokens a day", "1\u202f200 tokens", "0 tokens", 100),
    ]
    assert [key.name for key in panel["keys"]] == ["its own", "of ann"]
    assert [key.name for key in keys_of_team(team)] == ["its own", "of ann"]


def test_page_of_a_person_shows_the_same(client: Client) -> None:
    ann = a_user(name="ann")
    row = PersonLimits.objects.create(user=ann, budget_week=Decimal(4))
    ApiKey.issue("laptop", {"person": ann})
    spent: dict[str, Any] = {"cost_nano_usd": 10**9}
    enter([Record("req_1", status=200, key_id=1, person="ann", person_id=ann.pk, **spent)])
    panel = client.get(page(row)).context["panel"]
    assert [(q.limit, q.used, q.percent) for q in panel["quotas"]] == [
        ("4.00 USD a week", "1.00 USD", 25)
    ]
    assert [key.name for key in panel["keys"]] == ["laptop"]


def test_team_with_keys_is_not_deleted(client: Client) -> None:
    team = a_team("blue")
    ApiKey.issue("k", {"team": team})
    shown = text(client.post(page(team, "delete"), {"post": "yes"}))
    assert "Keys belong to this team" in shown
    assert Team.objects.exists()


def test_operator_cannot_open_users_from_there(client: Client) -> None:
    """Ours: who makes users makes admins."""
    team = a_team("blue", a_user(name="ann"))
    shown = text(client.get(page(team)))
    assert "/admin/auth/user/" not in shown and "ann</option>" in shown


# --- keys, many at once -------------------------------------------------------------------------


def act(client: Client, action: str, *rows: ApiKey, **fields: Any) -> Any:
    sent = {"action": action, "_selected_action": [row.pk for row in rows], **fields}
    return client.post(of("apikey", "changelist"), sent, follow=True)


def keys(*names: str) -> list[ApiKey]:
    return [ApiKey.issue(name, {"rpm": 5, "tpm": 100})[0] for name in names]


def fresh(rows: list[ApiKey]) -> list[ApiKey]:
    return [ApiKey.objects.get(pk=row.pk) for row in rows]


def test_ticked_keys_are_disabled_and_enabled_in_one_step(client: Client) -> None:
    rows = keys("a", "b", "c")
    rows[2].revoke()
    Change.objects.all().delete()
    told = said(act(client, "disable", *rows))
    assert told == ["2 keys are disabled.", "2 changes in one step."]
    assert [row.enabled for row in fresh(rows)] == [False] * 3
    assert len(set(Change.objects.values_list("act", flat=True))) == 1
    told = said(act(client, "enable", *rows))
    assert told[:2] == ["Revoked for good: c.", "2 keys are enabled."]
    assert [row.enabled for row in fresh(rows)] == [True, True, False]


def test_ticked_keys_are_moved_to_a_team(client: Client) -> None:
    rows, team = keys("a", "b"), a_team("blue")
    shown = text(act(client, "move_to_team", *rows))
    assert "2 keys: a, b" in shown and "blue" in shown
    assert fresh(rows)[0].team is None, "it asks first"
    told = said(act(client, "move_to_team", *rows, apply="1", team=team.pk))
    assert told == ["2 keys are changed.", "2 changes in one step."]
    assert [row.team for row in fresh(rows)] == [team, team]
    act(client, "move_to_team", rows[0], apply="1", team="")
    assert [row.team for row in fresh(rows)] == [None, team]


def test_ticked_keys_get_the_limits_that_are_given(client: Client) -> None:
    rows = keys("a", "b")
    fields = {"apply": "1", "rpm": "60", "budget_usd": "2.5", "period": "day", "none": ["tpm"]}
    act(client, "set_limits", *rows, **fields)
    given = [(row.rpm, row.tpm, row.budget_usd, row.period) for row in fresh(rows)]
    assert given == [(60, None, Decimal("2.5"), "day")] * 2


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"rpm": "0"}, "greater than or equal to 1"),
        ({"rpm": "9", "none": ["rpm"]}, "either set or taken away"),
        ({}, "Nothing is to be set"),
        ({"period": "year"}, "Select a valid choice"),
    ],
)
def test_limits_that_make_no_sense_are_asked_again(
    client: Client, fields: dict[str, Any], says: str
) -> None:
    rows = keys("a")
    assert says in text(act(client, "set_limits", *rows, apply="1", **fields))
    assert fresh(rows)[0].rpm == 5


def test_list_of_keys_has_no_sessions(client: Client) -> None:
    keys("a")
    ApiKey.issue("sign-in", {"kind": KeyKind.SESSION})
    listed = client.get(of("apikey", "changelist")).context["cl"].result_list
    assert [row.name for row in listed] == ["a"]


def test_page_shows_what_clients_are_handed_for_each_member(client: Client) -> None:
    """To those who may change it. Markup in it stays text."""
    ann, zoe = a_user(name="ann"), a_user(name="zoe")
    team = a_team("blue", ann, zoe, client_settings={"env": {"TEAM": "<b>blue</b>"}})
    a_team("red", zoe, client_settings={"language": "french"})
    address = page(team)
    shown = client.get(address).context["panel"]["handed_out"]
    assert shown.whose == "a key of blue that is nobody's"
    assert shown.members == ((ann.pk, "ann"), (zoe.pk, "zoe"))
    document = json.loads(shown.text)
    assert document["env"]["TEAM"] == "<b>blue</b>"
    assert document["env"]["CLAUDE_CODE_GATEWAY_HINT_HEADERS"] == "1"
    of_zoe = client.get(f"{address}?member={zoe.pk}")
    assert json.loads(of_zoe.context["panel"]["handed_out"].text)["language"] == "french"
    assert "&lt;b&gt;blue" in of_zoe.content.decode() and "<b>blue" not in of_zoe.content.decode()
    for nobody in ("x", "999", str(10**30)):
        again = client.get(f"{address}?member={nobody}").context["panel"]["handed_out"]
        assert again.whose == shown.whose
    assert browser("auditor").get(address).status_code == 403


def test_page_of_a_person_shows_what_it_is_handed(client: Client) -> None:
    zoe = a_user(name="zoe")
    a_team("red", zoe, client_settings={"language": "french"})
    row = PersonLimits.objects.create(user=zoe, budget_week=Decimal(4))
    shown = client.get(page(row)).context["panel"]["handed_out"]
    assert (shown.whose, json.loads(shown.text)["language"]) == ("zoe", "french")


def test_unknown_key_of_client_settings_is_named_in_the_form(client: Client) -> None:
    team = a_team("blue")
    address = page(team)
    wrong = {"client_settings": '{"modle": "x", "verbose": "yes"}'}
    answer = client.post(address, form(client, address) | wrong)
    assert answer.context["adminform"].form.errors["client_settings"] == [
        "modle: unknown key; do you mean model?",
        "verbose: expected true or false.",
    ]
    team.refresh_from_db()
    assert team.client_settings == {}
