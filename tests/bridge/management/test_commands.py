"""`manage.py serve` and `issue_key`, as far as they go without a process of their own."""

import io
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from bridge.configuration.snapshot import current_routes
from bridge.keys.authentication import digest
from bridge.management import preparing
from bridge.management.commands.serve import banner, base_url, client_lines
from bridge.management.preparing import first_admin
from bridge.models import ApiKey, Backend, DiscoveredModel

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("nothing_in_the_environment"),
]


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.HOST, settings.PORT, settings.SERVER = "127.0.0.1", 8080, "daphne"
    return settings


# --- serve -------------------------------------------------------------------------------------


def test_start_migrates_where_something_is_to_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table, or the rights of a group."""
    migrated: list[str] = []
    monkeypatch.setattr(preparing, "call_command", lambda name, **_: migrated.append(name))
    preparing.prepare()
    assert migrated == []
    MigrationRecorder(connection).record_unapplied("bridge", "0001_initial")
    preparing.prepare()
    assert migrated == ["migrate"]
    MigrationRecorder(connection).record_applied("bridge", "0001_initial")
    Group.objects.get(name="auditor").delete()
    preparing.prepare()
    assert migrated == ["migrate"] * 2


def test_first_admin_is_made_once() -> None:
    """Ours: with a random password, shown once."""
    password = first_admin()
    assert len(password) >= 12
    assert get_user_model().objects.get(username="admin").check_password(password)
    assert first_admin() == ""
    assert get_user_model().objects.count() == 1


def test_no_admin_is_made_beside_an_operators_own() -> None:
    get_user_model().objects.create_superuser("me", password="x")
    assert first_admin() == ""


def test_account_without_rights_is_no_admin() -> None:
    get_user_model().objects.create_user("reader")
    assert first_admin()


def test_banner_shows_the_way() -> None:
    """Ours: the address, the admin, where requests go."""
    shown = banner("s3cret")
    for line in (
        "http://127.0.0.1:8080 (daphne)",
        "http://127.0.0.1:8080/admin/",
        "user admin, password s3cret (shown only now)",
        "demo backend",
    ):
        assert line in shown


def test_lines_for_claude_code_are_those_of_the_pages() -> None:
    """Observed client: asks before it uses a key that it finds in ANTHROPIC_API_KEY, and assumes
    a million tokens for a name that it does not know."""
    assert client_lines(current_routes()).split() == [
        *("Point", "Claude", "Code", "at", "it:"),
        *("export", "ANTHROPIC_BASE_URL=http://127.0.0.1:8080"),
        *("export", "ANTHROPIC_AUTH_TOKEN=any-key"),
        *("export", "ANTHROPIC_API_KEY=''"),
        *("export", "ANTHROPIC_MODEL=demo/echo"),
        *("export", "CLAUDE_CODE_MAX_CONTEXT_TOKENS=200000"),
        *("export", "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY=1"),
        *("export", "CLAUDE_CODE_GATEWAY_HINT_HEADERS=1"),
        "claude",
    ]


def test_lines_name_the_model_of_the_backend() -> None:
    """Observed: ANTHROPIC_MODEL=YOUR_MODEL, where discovery knew the model."""
    row = Backend.objects.create(name="mine", url="https://mine.example/v1")
    DiscoveredModel.objects.create(backend=row, name="vendor/one", context=65536)
    lines = client_lines(current_routes())
    assert "export ANTHROPIC_MODEL=vendor/one\n" in lines
    assert "export CLAUDE_CODE_MAX_CONTEXT_TOKENS=65536\n" in lines
    assert "YOUR_KEY" in lines and "YOUR_MODEL" not in lines


@pytest.mark.parametrize(
    ("context", "safeguards", "start"),
    [
        (32768, "unavailable", "claude --permission-mode default"),
        (32768, "judge: vendor/one", "claude"),
        (65536, "unavailable", "claude"),
    ],
)
def test_start_asks_where_auto_mode_could_check_nothing(
    context: int, safeguards: str, start: str
) -> None:
    """Observed client: its own check of a command is larger than a small window."""
    row = Backend.objects.create(name="mine", url="https://mine.example/v1")
    DiscoveredModel.objects.create(backend=row, name="vendor/one", context=context)
    with override_settings(SAFEGUARDS=safeguards):
        lines = client_lines(current_routes())
    assert lines.rstrip().splitlines()[-1].strip() == start


def test_lines_lead_to_the_pages_where_no_model_is_known() -> None:
    Backend.objects.create(name="mine", url="https://mine.example/v1")
    lines = client_lines(current_routes())
    assert "export ANTHROPIC_MODEL=YOUR_MODEL\n" in lines
    assert "http://127.0.0.1:8080/ makes them for each model of your key" in lines


def test_banner_without_a_new_admin_names_no_password() -> None:
    assert "password" not in banner("")


def test_banner_names_the_backend_of_the_environment(place: Any) -> None:
    place.BACKEND_URL = "https://llm.example.com/v1"
    shown = banner("")
    assert "https://llm.example.com/v1" in shown
    assert "demo" not in shown


def test_banner_does_not_name_an_address_that_was_taken_over(place: Any) -> None:
    """Observed: BACKEND_URL's address, where requests went to the operator's."""
    place.BACKEND_URL = "https://llm.example.com/v1"
    Backend.objects.create(name="main", url="https://taken-over.example/v1")
    Backend.objects.create(name="spare", url="https://spare.example/v1", enabled=False)
    shown = banner("")
    assert "main (https://taken-over.example/v1), spare (disabled)" in shown
    assert "llm.example.com" not in shown


def test_banner_names_every_backend(place: Any) -> None:
    place.BACKEND_URL = "https://llm.example.com/v1"
    Backend.objects.create(name="mine", url="https://mine.example/v1")
    assert "https://llm.example.com/v1, mine (https://mine.example/v1)" in banner("")


def test_banner_does_not_speak_of_the_demo_where_an_operator_made_a_backend() -> None:
    """Ours: the banner shows where requests go."""
    Backend.objects.create(name="mine", url="https://mine.example/v1")
    shown = banner("")
    assert "mine" in shown
    assert "demo" not in shown


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://localhost:8080"),
        ("::", "http://localhost:8080"),
        ("::1", "http://[::1]:8080"),
        ("gateway.local", "http://gateway.local:8080"),
    ],
)
def test_shown_address_can_be_opened(place: Any, host: str, shown: str) -> None:
    place.HOST = host
    assert base_url() == shown


# --- issue_key ---------------------------------------------------------------------------------


def test_issued_key_is_all_that_is_printed() -> None:
    """Ours: so that a script can take it."""
    out = io.StringIO()
    call_command("issue_key", "team", stdout=out)
    key = out.getvalue().removesuffix("\n")
    assert key.split() == [key]
    assert ApiKey.objects.get(name="team").digest == digest(key)


@pytest.mark.parametrize("name", ["team", ""])
def test_name_that_is_taken_or_empty_is_refused(name: str) -> None:
    call_command("issue_key", "team", stdout=io.StringIO())
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("issue_key", name, stdout=out)
    assert (out.getvalue(), ApiKey.objects.count()) == ("", 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expires": "2020-01-31"}, "expires_at: This moment is past"),
        ({"expires": "soon"}, "--expires: expected a date"),
        ({"models": ["claude-*", "[bad"]}, "allowed: [bad is no glob"),
        ({"models": ["ok[]"]}, "is no glob"),
    ],
)
def test_key_that_is_good_for_nothing_is_not_issued(options: dict[str, Any], words: str) -> None:
    """Reported by operators."""
    with pytest.raises(CommandError) as refused:
        call_command("issue_key", "new", **options)
    assert words in str(refused.value)
    assert not ApiKey.objects.exists()


def test_key_with_quotas_and_an_end_is_issued(capsys: pytest.CaptureFixture[str]) -> None:
    call_command(
        "issue_key",
        "new",
        budget_usd="5",
        period="total",
        tokens_week=1000,
        expires="2099-01-31",
        models=["[ab]*", "[]x]", "[!]]"],
    )
    row = ApiKey.objects.get()
    limits = row.limits()
    assert [(quota.period, quota.most) for quota in limits.quotas] == [
        ("total", 5 * 10**9),
        ("week", 1000),
    ]
    assert row.expires_at is not None and row.expires_at.year == 2099
    assert capsys.readouterr().err == ""


def test_budget_that_cannot_count_is_said_when_it_is_issued() -> None:
    """Reported by operators. The key alone is on standard output."""
    row = Backend.objects.create(name="main", url="http://127.0.0.1:1/v1")
    DiscoveredModel.objects.create(backend=row, name="m/one")
    out, err = io.StringIO(), io.StringIO()
    call_command("issue_key", "new", budget_usd="5", stdout=out, stderr=err)
    assert out.getvalue().startswith("gwk_")
    assert err.getvalue() == "Budget of new does not count m/one: no price is known\n"
