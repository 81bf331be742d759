"""Rows of the configuration through the API: checked, recorded and undone as in the admin."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.configuration.undo import revert
from bridge.models import (
    ApiKey,
    Backend,
    Change,
    DiscoveredModel,
    ModelAlias,
    Origin,
    PersonLimits,
    Price,
    Team,
    WarningRule,
)
from bridge.models.changes import recorded
from tests.bridge.people import a_team, a_user
from tests.bridge.rows import URL, a_row, an_alias, unsealed
from tests.bridge.scripts import BASE, Script, a_script, message
from tests.shapes import check_error

pytestmark = pytest.mark.django_db

SECRET = "sk-very-secret"


@pytest.fixture
def script() -> Script:
    return a_script()


# --- making and changing --------------------------------------------------------------------------


def test_put_makes_a_row_and_the_same_put_changes_nothing(script: Script) -> None:
    a_user(name="ann")
    wanted = {"budget_day": 3.5, "members": ["ann"], "client_settings": {"model": "x"}}
    made = script.put("/teams/blue", wanted)
    assert made.status_code == 201
    assert made.json() | wanted == made.json() and made.json()["rpm"] is None
    assert Change.objects.filter(kind="teams").count() == 1
    again = script.put("/teams/blue", wanted)
    assert (again.status_code, again["etag"], again.json()) == (200, made["etag"], made.json())
    assert Change.objects.filter(kind="teams").count() == 1
    assert Team.objects.get().people.get().username == "ann"


def test_put_takes_what_it_is_not_given_away_and_patch_leaves_it(script: Script) -> None:
    script.put("/teams/blue", {"rpm": 5, "tpm": 7})
    assert script.patch("/teams/blue", {"rpm": 6}).json()["tpm"] == 7
    assert script.patch("/teams/blue", {"tpm": None}).json()["tpm"] is None
    assert script.put("/teams/blue", {"tpm": 8}).json()["rpm"] is None


def test_answer_can_be_sent_back(script: Script) -> None:
    """Whoever reads, edits and puts changes just that."""
    script.put("/backends/main", {"url": URL, "api_key": SECRET})
    script.put("/aliases/x", {"targets": [{"backend": "main", "model": "a", "classes": ["b"]}]})
    script.put("/prices/*/a", {"input_per_mtok": 0.1, "output_per_mtok": 2})
    before = Change.objects.count()
    for path in ("/backends/main", "/aliases/x", "/prices/*/a"):
        known = script.get(path)
        answer = script.put(path, known.json())
        assert (answer.status_code, answer.json()) == (200, known.json()), path
    assert Change.objects.count() == before
    assert unsealed(Backend.objects.get()) == SECRET


def test_change_is_in_the_history_with_the_token_and_can_be_undone(script: Script) -> None:
    """The same history as in the admin."""
    script.put("/teams/blue", {"rpm": 5})
    script.patch("/teams/blue", {"rpm": 6, "tpm": 9})
    change = Change.objects.filter(kind="teams")[0]
    assert (change.actor, change.label, change.verb) == ("token ci", "blue", "changed")
    assert change.differences() == [("rpm", 5, 6), ("tpm", None, 9)]
    with recorded("ann"):
        revert(change)
    assert script.get("/teams/blue").json()["rpm"] == 5


def test_row_can_be_renamed_but_not_over_another(script: Script) -> None:
    a_team("blue"), a_team("red")
    assert "red" in message(script.patch("/teams/blue", {"name": "red"}), 409)
    assert script.patch("/teams/blue", {"name": "a/b"}).status_code == 200
    assert script.get("/teams/a/b").json()["name"] == "a/b"
    assert script.get("/teams/a%2Fb").json()["name"] == "a/b"
    assert script.get("/teams/blue").status_code == 404
    assert message(script.put("/teams/red", {"name": "blue"})).startswith("name: ")


def test_name_that_others_hang_on_stays(script: Script) -> None:
    a_user(name="ann"), a_user(name="bob")
    script.put("/person_limits/ann", {"rpm": 3})
    answer = script.patch("/person_limits/ann", {"person": "bob"})
    assert message(answer) == "person: cannot be changed"
    assert script.patch("/person_limits/ann", {"person": "ann", "rpm": 4}).status_code == 200


def test_row_of_the_environment_is_taken_over_and_not_deleted(script: Script) -> None:
    """As a file does, and as the admin forbids."""
    a_row(origin=Origin.ENVIRONMENT)
    assert "environment" in message(script.delete("/backends/main"), 409)
    assert script.patch("/backends/main", {"weight": 3}).json()["origin"] == "operator"
    assert script.delete("/backends/main").status_code == 204


def test_what_is_needed_is_not_deleted(script: Script) -> None:
    a_team("blue")
    assert script.post("/keys", {"name": "k", "team": "blue"}).status_code == 201
    assert message(script.delete("/teams/blue"), 409).startswith("blue: Keys belong to this team")
    an_alias("claude-*", (a_row(), "m"))
    assert message(script.delete("/backends/main"), 409) == "main is needed by claude-*"
    assert script.delete("/aliases/claude-*").status_code == 204
    assert script.delete("/backends/main").status_code == 204
    assert message(script.delete("/backends/main"), 404) == "backends: nothing is called main"


def test_deleting_the_settings_of_a_model_leaves_the_model(script: Script) -> None:
    a_row()
    assert script.put("/models/main/org/m", {"context": 1000}).status_code == 201
    shown = script.get("/models/main/org/m").json()
    assert shown["known"]["context"] == 1000 and shown["listed"] is False
    assert script.delete("/models/main/org/m").status_code == 204
    assert script.get("/models/main/org/m").json()["context"] is None


def test_price_for_every_backend_is_another_than_for_one(script: Script) -> None:
    a_row()
    script.put("/prices/*/m", {"input_per_mtok": 1, "output_per_mtok": 2})
    script.put("/prices/main/m", {"input_per_mtok": 3, "output_per_mtok": 4})
    assert script.get("/prices/*/m").json()["backend"] == ""
    assert script.get("/prices/main/m").json()["input_per_mtok"] == 3
    assert Price.objects.count() == 2


def test_tool_name_is_known_by_both_names(script: Script) -> None:
    assert script.put("/tool_names/bash/org/m", {"client_name": "Bash"}).status_code == 201
    assert script.get("/tool_names/bash/org/m").json()["model"] == "org/m"


# --- lost updates ---------------------------------------------------------------------------------


def test_write_that_knows_an_old_row_is_refused(script: Script) -> None:
    tag = script.put("/teams/blue", {"rpm": 1})["etag"]
    assert script.get("/teams/blue")["etag"] == tag
    changed = script.patch("/teams/blue", {"rpm": 2}, if_match=tag)
    assert changed.status_code == 200 and changed["etag"] != tag
    for answer in (
        script.put("/teams/blue", {"rpm": 3}, if_match=tag),
        script.patch("/teams/blue", {"rpm": 3}, if_match=tag),
        script.delete("/teams/blue", if_match=tag),
        script.put("/teams/red", {}, if_match="*"),
        script.put("/teams/blue", {"rpm": 3}, if_none_match="*"),
    ):
        assert message(answer, 412).startswith("If-")
    assert Team.objects.get().rpm == 2
    assert script.put("/teams/red", {}, if_none_match="*").status_code == 201
    weak = f'W/{changed["etag"]}, "other"'
    assert script.delete("/teams/blue", if_match=weak).status_code == 204


def test_reader_who_has_it_is_told_so(script: Script) -> None:
    tag = script.put("/teams/blue", {})["etag"]
    answer = script.get("/teams/blue", if_none_match=tag)
    assert (answer.status_code, answer.content, answer["etag"]) == (304, b"", tag)


# --- secrets --------------------------------------------------------------------------------------


def test_key_of_a_backend_goes_in_and_never_out(script: Script) -> None:
    made = script.put("/backends/main", {"url": URL, "api_key": SECRET})
    assert made.json()["api_key"] == "set"
    answers = [made, script.get("/backends"), script.get("/backends/main"), script.get("/export")]
    answers += [script.get("/changes"), script.patch("/backends/main", {"weight": 2})]
    sealed = Backend.objects.get().credential
    for answer in answers:
        assert SECRET not in answer.content.decode() and sealed not in answer.content.decode()
    assert unsealed(Backend.objects.get()) == SECRET, "a change of something else leaves it"
    assert script.put("/backends/main", {"url": URL}).json()["api_key"] == "set"
    named = script.patch("/backends/main", {"api_key": "env:LLM_KEY"})
    assert named.json()["api_key"] == "env:LLM_KEY"
    assert message(script.patch("/backends/main", {"api_key": "set"})).startswith(
        "api_key: nothing"
    )
    assert script.patch("/backends/main", {"api_key": ""}).json()["api_key"] == ""
    assert message(script.patch("/backends/main", {"api_key": sealed})).startswith("api_key: ")


def test_stored_key_is_not_sent_to_another_server(script: Script) -> None:
    """As in the admin: whoever may change the address does not learn the key by it."""
    script.put("/backends/main", {"url": URL, "api_key": SECRET})
    answer = script.patch("/backends/main", {"url": "https://evil.example/v1"})
    assert message(answer).startswith("api_key: Enter the key again")
    assert Backend.objects.get().url == URL


# --- what is wrong --------------------------------------------------------------------------------

WRONG: list[tuple[str, Any, str]] = [
    ("/teams/t", {"nam": "x"}, "nam: no such member"),
    ("/teams/t", {"rpm": "5"}, "rpm: expected `int | null`, got `str`"),
    ("/teams/t", {"rpm": 0}, "rpm: "),
    ("/teams/t", {"rpm": 10**30}, "rpm: "),
    ("/teams/t", {"rpm": 1.5}, "rpm: "),
    ("/teams/t", {"budget_day": -1}, "budget_day: "),
    ("/teams/t", {"budget_day": 1e300}, "budget_day: "),
    ("/teams/t", {"members": ["zoe"]}, "members[0]: no user is called zoe"),
    ("/teams/t", {"members": [1]}, "members[0]: "),
    ("/teams/t", {"client_settings": []}, "client_settings: "),
    ("/teams/t", {"client_settings": {"a": "\0"}}, "client_settings.a: "),
    ("/teams/t", {"client_settings": {"\0": 1}}, "client_settings: a null"),
    ("/teams/t", {"client_settings": {"a b": ["\0"]}}, 'client_settings."a b"[0]: a null'),
    ("/teams/t", {"a b": 1}, '"a b": no such member'),
    ("/teams/t", {"allowed": "[x"}, "allowed: "),
    ("/teams/t", {"enabled": None}, "enabled: "),
    (f"/teams/{'t' * 101}", {}, "name: "),
    ("/backends/main", {}, "url: "),
    ("/backends/main", {"url": "ftp://x"}, "url: "),
    ("/backends/main", {"url": URL, "family": "nope"}, "family: "),
    ("/backends/a b", {"url": URL}, "name: "),
    ("/backends/main", {"url": URL, "origin": "environment"}, "origin: cannot be set"),
    ("/aliases/x", {}, "targets: is missing"),
    ("/aliases/x", {"targets": []}, "targets: is missing"),
    ("/aliases/x", {"targets": [{"backend": "main"}]}, "targets[0].model: is missing"),
    ("/aliases/x", {"targets": [{"backend": "no", "model": "m"}]}, "targets[0]: no backend"),
    ("/aliases/x", {"targets": [{"backend": "a", "model": "m", "x": 1}]}, "targets[0].x: no such"),
    (
        "/aliases/x",
        {"safeguards": "maybe", "targets": [{"backend": "a", "model": "m"}]},
        "safeguards: Expected unavailable",
    ),
    ("/aliases/x", {"temperature": 3, "targets": []}, "temperature: "),
    ("/prices/none/m", {"input_per_mtok": 1, "output_per_mtok": 1}, "backend: no backend"),
    ("/prices/*/m", {"input_per_mtok": 1}, "output_per_mtok: "),
    ("/models/none/m", {"context": 1}, "backend: no backend is called none"),
    ("/person_limits/zoe", {"rpm": 1}, "person: no user is called zoe"),
    ("/tool_names/a/b", {}, "client_name: "),
]


@pytest.mark.parametrize(("path", "body", "expected"), WRONG)
def test_what_is_wrong_is_named(script: Script, path: str, body: Any, expected: str) -> None:
    """The member first, in the envelope; and nothing is left of it."""
    answer = script.put(path, body)
    assert message(answer).startswith(expected)
    assert check_error(answer.json())["error"]["type"] == "invalid_request_error"
    assert not Change.objects.exclude(kind="admin_tokens").exists()
    assert not Team.objects.exists() and not ModelAlias.objects.exists()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", "body: expected JSON"),
        (b"{", "body: expected JSON"),
        (b"[]", "body: expected `object`"),
        (b"null", "body: "),
        (b'"x"', "body: "),
        (b"\xff", "body: "),
        (b'{"name": "\\ud800"}', "body: "),
        (b'{"client_settings": ' + b'{"a":' * 90 + b"1" + b"}" * 91, "client_settings: nested"),
        (b'{"client_settings": ' + b'{"a":' * 9000 + b"1" + b"}" * 9001, "body: nested"),
        (b'{"client_settings": {"a": 1e999}}', "client_settings"),
        (b'{"client_settings": {"a\\u0000": 1}}', "client_settings"),
    ],
)
def test_body_that_is_no_document_is_refused(script: Script, raw: bytes, expected: str) -> None:
    assert message(script.put("/teams/t", raw)).startswith(expected)


def test_body_where_none_is_expected_is_refused(script: Script) -> None:
    a_team("blue")
    assert message(script.send("DELETE", "/teams/blue", {"a": 1})) == "body: expected none"
    assert script.send("DELETE", "/teams/blue", {}).status_code == 204


# --- lists ----------------------------------------------------------------------------------------


def test_list_comes_in_pages(script: Script) -> None:
    for number in range(5):
        a_team(f"t{number}")
    seen, after, pages = [], "", 0
    while True:
        page = script.get(f"/teams?limit=2&after_id={after}").json()
        seen += [team["name"] for team in page["data"]]
        after, pages = page["last_id"], pages + 1
        if not page["has_more"]:
            break
    assert (seen, pages) == ([f"t{number}" for number in range(5)], 3)
    back = script.get(f"/teams?limit=3&before_id={page['first_id']}").json()
    assert [team["name"] for team in back["data"]] == ["t1", "t2", "t3"] and back["has_more"]
    empty = script.get("/aliases").json()
    assert empty == {"data": [], "has_more": False, "first_id": None, "last_id": None}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=0", "limit: "),
        ("limit=1001", "limit: "),
        ("limit=x", "limit: "),
        ("after_id=x", "after_id: "),
        ("after_id=" + "9" * 30, "after_id: "),
        ("after_id=1&before_id=2", "before_id: "),
        ("foo=1", "foo: no such member"),
        ("limit=1&limit=2", "limit: given more than once"),
    ],
)
def test_query_that_makes_no_sense_is_refused(script: Script, query: str, expected: str) -> None:
    assert message(script.get(f"/teams?{query}")).startswith(expected)


# --- HTTP -----------------------------------------------------------------------------------------


def test_unknown_paths_and_methods_are_refused_in_the_envelope(script: Script) -> None:
    """Also for a browser."""
    for path in ("", "/", "/nope", "/teams/", "/keys/a/nope/rotate/x"):
        answer = script.get(path, accept="text/html")
        assert answer["content-type"] == "application/json", path
    for path in ("/api/admin", "/api/admin/", "/api/admin/v2/teams", f"{BASE}/nope"):
        answer = script.api.get(path, headers={"accept": "text/html"})
        assert message(answer, 404).startswith("Not found")
    answer = script.post("/teams", {})
    assert message(answer, 405) == "Method not allowed" and answer["allow"] == "GET, HEAD"
    assert script.send("OPTIONS", "/teams/x")["allow"] == "DELETE, GET, HEAD, PATCH, PUT"


def test_head_is_get_without_its_body(script: Script) -> None:
    tag = script.put("/teams/blue", {})["etag"]
    answer = script.send("HEAD", "/teams/blue")
    assert (answer.status_code, answer["etag"]) == (200, tag)
    assert script.send("HEAD", "/teams/red").status_code == 404


def test_every_answer_has_its_id_and_is_not_kept(script: Script) -> None:
    for answer in (script.get("/teams"), script.get("/teams/red"), script.post("/teams")):
        assert answer["request-id"].startswith("req_") and answer["cache-control"] == "no-store"
        assert "set-cookie" not in answer
    refused = script.get("/teams/red")
    assert refused.json()["request_id"] == refused["request-id"]


def test_name_that_nothing_can_have_is_not_there(script: Script) -> None:
    assert script.get("/teams/%00").status_code == 404
    assert script.get("/teams/%ff%fe").status_code in (404, 400)


def test_list_takes_as_many_queries_for_many_rows_as_for_one(
    script: Script, django_assert_max_num_queries: Any
) -> None:
    """A page may hold a thousand rows."""
    main, people = a_row(), [a_user(name=f"u{number}") for number in range(3)]
    for number in range(20):
        an_alias(f"a{number}", (main, "m"))
        a_team(f"t{number}", *people)
        ApiKey.issue(f"k{number}", {"person": people[0]})
        PersonLimits.objects.create(user=a_user(name=f"p{number}"), rpm=1)
        DiscoveredModel.objects.create(backend=main, name=f"m{number}")
        Price.objects.create(model=f"m{number}", backend=main, input_per_mtok=1, output_per_mtok=1)
    script.get("/teams")
    for path in ("aliases", "teams", "keys", "person_limits", "models", "prices", "people"):
        with django_assert_max_num_queries(5):
            answer = script.get(f"/{path}")
        assert len(answer.json()["data"]) >= 20, path


def test_webhook_of_a_warning_goes_in_and_never_out(script: Script) -> None:
    """With many services its address is a secret."""
    address = "https://hooks.example.com/services/T0/very-secret"
    rule = {"webhook": address, "secret": "s" * 30}
    made = script.put("/warning_rules/w", rule)
    assert made.status_code == 201
    assert made.json() | {"webhook": "set", "secret": "set"} == made.json()
    assert made.json()["destination"] == "https://hooks.example.com"
    assert script.put("/warning_rules/w", made.json()).status_code == 200
    changed = script.patch("/warning_rules/w", {"enabled": False})
    assert WarningRule.objects.get().address == address and not WarningRule.objects.get().enabled
    for answer in (made, changed, script.get("/export"), script.get("/changes")):
        assert "very-secret" not in answer.content.decode()
        assert WarningRule.objects.get().webhook not in answer.content.decode()
    for wrong, name in (({"mail_to": "a@example.com"}, "webhook"), ({"what": "no"}, "what")):
        assert message(script.patch("/warning_rules/w", wrong)).startswith(f"{name}: ")
