"""Tokens of the admin API: what opens it, what does not, and what becomes of a wrong one."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.utils import timezone

from bridge.accounts import roles
from bridge.keys.authentication import KeyPolicy, identify
from bridge.models import AdminToken, ApiKey, Change
from bridge.models.people.admin_tokens import TokenRole
from bridge.translation.errors.api_error import ApiError
from bridge.translation.errors.redaction import REDACTED, redact
from tests.bridge.admin_pages import of, page, press, text
from tests.bridge.people import browser
from tests.bridge.scripts import BASE, Script, a_script, message
from tests.shapes import check_error

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_failed() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def run(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue().strip()


def test_roles_of_tokens_are_those_of_users() -> None:
    assert tuple(TokenRole.values) == roles.RANKS


# --- what opens it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "Missing token"),
        ("Bearer", "Missing token"),
        ("Bearer ", "Missing token"),
        ("Basic dTpw", "Missing token"),
        ("gwa_something", "Missing token"),
        ("Bearer gwa_never", "Invalid token"),
        ("Bearer schl\u00fcssel", "Invalid token"),
        ("Bearer " + "x" * 5000, "Invalid token"),
        ("Bearer a b", "Invalid token"),
    ],
)
def test_without_a_good_token_nothing_opens(header: str, expected: str) -> None:
    """Bearer only: no cookie, no other header and no other scheme."""
    answer = Script("").get("/teams", authorization=header)
    assert message(answer, 401).startswith(expected)
    assert answer["www-authenticate"] == "Bearer" and answer["x-should-retry"] == "false"
    assert check_error(answer.json())["error"]["type"] == "authentication_error"


def test_session_of_an_admin_opens_nothing() -> None:
    """So no other site's page can send anything in an admin's name."""
    assert browser("admin").get(f"{BASE}/teams").status_code == 401


def test_key_of_the_gateway_opens_nothing() -> None:
    _, key = ApiKey.issue("ann")
    assert message(Script(key).get("/teams"), 401).startswith("Invalid token")
    answer = Script("").get("/teams", authorization="", x_api_key=a_script().text)
    assert message(answer, 401).startswith("Missing token")


def test_token_opens_no_model_and_is_never_forwarded() -> None:
    """Elsewhere an unknown key is the caller's own, for the backend."""
    for headers in (
        {"authorization": "Bearer gwa_x"},
        {"x-api-key": "gwa_x"},
        {"x-api-key": "sk-own", "authorization": "Bearer gwa_x"},
    ):
        with pytest.raises(ApiError) as refused:
            identify(headers, {}, KeyPolicy(require_issued="0"), 0.0)
        assert refused.value.status == 401 and "admin API" in refused.value.message


def test_token_in_a_text_is_redacted() -> None:
    script = a_script()
    assert script.text not in redact(f"it was {script.text}!") and REDACTED in redact(script.text)


def test_expired_and_revoked_tokens_are_refused_and_told_why() -> None:
    script = a_script()
    assert script.get("/teams").status_code == 200
    AdminToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "expired" in message(script.get("/teams"), 401)
    AdminToken.objects.update(expires_at=None)
    AdminToken.objects.get().revoke()
    assert "was revoked" in message(script.get("/teams"), 401)


def test_last_use_is_noted_once_a_minute() -> None:
    script = a_script()
    script.get("/teams")
    first = AdminToken.objects.get().last_used_at
    script.get("/teams")
    assert first is not None and AdminToken.objects.get().last_used_at == first
    AdminToken.objects.update(last_used_at=first - timedelta(minutes=2))
    script.get("/teams")
    later = AdminToken.objects.get().last_used_at
    assert later is not None and later >= first


# --- guessing -------------------------------------------------------------------------------------


def test_address_that_guesses_is_locked(settings: Any) -> None:
    """Like logins; the others go on."""
    script, wrong = a_script(), Script("gwa_wrong")
    for _ in range(settings.LOGIN_FAILURES):
        assert wrong.get("/teams").status_code == 401
    answer = wrong.get("/teams")
    assert message(answer, 429).startswith("Too many wrong tokens")
    assert int(answer["retry-after"]) == settings.LOGIN_LOCK_SECONDS
    assert script.get("/teams").status_code == 429, "from the same address"
    script.api.defaults["REMOTE_ADDR"] = "192.0.2.7"
    assert script.get("/teams").status_code == 200


def test_good_tokens_are_not_counted(settings: Any) -> None:
    script = a_script()
    for _ in range(settings.LOGIN_FAILURES + 2):
        assert script.get("/teams").status_code == 200
    for _ in range(settings.LOGIN_FAILURES + 2):
        assert Script("").get("/teams", authorization="").status_code == 401, "nothing was guessed"
    assert script.get("/teams").status_code == 200


# --- making and ending them -----------------------------------------------------------------------


def test_commands_make_a_token_and_end_it() -> None:
    made = run("issue_token", "ci", "--role", "auditor", "--expires", "2099-01-31")
    assert made.startswith("gwa_") and len(made) > 40
    assert Script(made).get("/people").status_code == 200
    row = AdminToken.objects.get()
    assert (row.role, row.made_by, row.last_four) == ("auditor", "command issue_token", made[-4:])
    assert run("revoke_token", "ci") == "ci is revoked"
    assert Script(made).get("/people").status_code == 401
    assert made not in str(AdminToken.objects.values()), "only its hash is stored"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("ci", "--role", "king"), "invalid choice"),
        (("taken", "--role", "admin"), "name: "),
        (("ci", "--role", "admin", "--expires", "2001-01-01"), "expires_at: This moment is past"),
        (("ci", "--role", "admin", "--expires", "soon"), "--expires: expected a date"),
        (("x" * 101, "--role", "admin"), "name: "),
    ],
)
def test_command_names_what_is_wrong(arguments: tuple[str, ...], expected: str) -> None:
    a_script(name="taken")
    with pytest.raises(CommandError, match=expected):
        run("issue_token", *arguments)


def test_revoking_what_is_not_there_is_refused() -> None:
    with pytest.raises(CommandError, match="no token is called nope"):
        run("revoke_token", "nope")


def test_history_has_tokens_and_no_way_back() -> None:
    """No undo brings a credential back."""
    made = run("issue_token", "ci", "--role", "admin")
    run("revoke_token", "ci")
    revoked, added = Change.objects.all()
    assert (added.actor, added.kind, added.label, added.verb) == (
        "command issue_token",
        "admin_tokens",
        "ci",
        "added",
    )
    assert (revoked.actor, revoked.summary) == ("command revoke_token", "revoked for good")
    assert made not in str([added.after, revoked.after])
    client = browser("admin")
    for change in (added, revoked):
        shown = client.get(of("change", "change", change.pk))
        assert shown.status_code == 200 and "Revert" not in text(shown)
        assert client.get(of("change", "revert", change.pk)).status_code == 403
    assert "API token" in text(client.get(of("change", "changelist")))


def test_admin_makes_a_token_on_a_page_that_shows_it_once() -> None:
    client = browser("admin", "ann")
    answer = client.post(of("admintoken", "add"), {"name": "ci", "role": "operator"})
    shown = answer.context["key"]
    assert shown in text(answer) and "no-store" in answer["cache-control"]
    assert Script(shown).get("/backends").status_code == 200
    row = AdminToken.objects.get()
    assert row.made_by == "ann" and Change.objects.get().actor == "ann"
    for address in (page(row), of("admintoken", "changelist")):
        again = client.get(address)
        assert again.status_code == 200 and shown not in text(again)
    press(client, row, "revoke")
    assert Script(shown).get("/backends").status_code == 401
    assert client.get(of("admintoken", "delete", row.pk)).status_code == 403
    client.post(page(row), {"name": "ci", "role": "admin"})
    assert AdminToken.objects.get().role == "operator", "what it may do does not change"


@pytest.mark.parametrize("role", ["operator", "auditor"])
def test_nobody_else_sees_the_pages_of_tokens(role: str) -> None:
    a_script()
    client = browser(role, "bob")
    for address in (of("admintoken", "changelist"), of("admintoken", "add")):
        assert client.get(address).status_code == 403
