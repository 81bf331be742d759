"""Backend keys at rest. design, Secrets: backend keys are encrypted at rest or named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from django.core.management import call_command

from bridge.configuration import yaml_file
from bridge.configuration.snapshot import build
from bridge.keys import encryption
from bridge.keys.encryption import PREFIX, UnsealError, seal, unseal
from bridge.models import Backend
from bridge.models.backends import LONGEST_KEY
from tests.bridge.rows import a_row, unsealed

SERVER = "https://llm.example.com"
KEY = "cpk_operators_0123456789"


@pytest.fixture(autouse=True)
def secrets(settings: Any) -> Any:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "first secret", []
    return settings


@pytest.mark.parametrize("text", [KEY, "k", "", "k" * LONGEST_KEY, "~!@#$%^&*()"])
def test_what_was_sealed_is_read_again(text: str) -> None:
    sealed = seal(text, SERVER)
    assert sealed.startswith(PREFIX)
    assert unseal(sealed, SERVER) == text


def test_sealed_text_tells_nothing() -> None:
    """Not the key, not the secret, and not whether two keys are the same."""
    one, two = seal(KEY, SERVER), seal(KEY, SERVER)
    assert one != two
    for sealed in (one, two):
        assert KEY not in sealed
        assert "first secret" not in sealed


def test_another_secret_reads_nothing(secrets: Any) -> None:
    """The database alone is no use to a thief. The error says nothing of either."""
    sealed = seal(KEY, SERVER)
    secrets.SECRET_KEY = "second secret"
    with pytest.raises(UnsealError) as caught:
        unseal(sealed, SERVER)
    assert str(caught.value) == ""
    assert caught.value.__cause__ is None


def test_earlier_secrets_read_on_and_the_newest_seals(secrets: Any) -> None:
    """sealing.py: named in SECRET_KEY_FALLBACKS, however many there are."""
    sealed = seal(KEY, SERVER)
    secrets.SECRET_KEY, secrets.SECRET_KEY_FALLBACKS = "third", ["second", "first secret"]
    assert unseal(sealed, SERVER) == KEY
    fresh = seal(KEY, SERVER)
    secrets.SECRET_KEY_FALLBACKS = []
    assert unseal(fresh, SERVER) == KEY
    with pytest.raises(UnsealError):
        unseal(sealed, SERVER)


def tampered(sealed: str) -> str:
    middle = len(sealed) // 2
    other = "A" if sealed[middle] != "A" else "B"
    return sealed[:middle] + other + sealed[middle + 1 :]


@pytest.mark.parametrize(
    "spoilt",
    [
        "",
        PREFIX,
        f"{PREFIX}x",
        f"{PREFIX}{'A' * 120}",
        f"{PREFIX}schl\u00fcssel",
        KEY,
        "cut",
        "tampered",
    ],
)
def test_spoilt_text_is_not_read(spoilt: str) -> None:
    sealed = seal(KEY, SERVER)
    broken = {"cut": sealed[:-5], "tampered": tampered(sealed)}.get(spoilt, spoilt)
    with pytest.raises(UnsealError):
        unseal(broken, SERVER)


# --- rows --------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_key_of_a_backend_is_sealed_when_it_is_saved() -> None:
    """No key in the database, and the data plane has it all the same."""
    row = a_row(credential=KEY)
    stored = Backend.objects.get().credential
    assert stored.startswith(PREFIX)
    assert unseal(stored, row.server) == KEY
    assert row.key_hint == "stored, encrypted"
    assert build(1).routes.backends[0].key == KEY


@pytest.mark.django_db
def test_sealed_key_is_not_sealed_again() -> None:
    row = a_row(credential=KEY)
    before = row.credential
    row.timeout_seconds = 7
    row.save()
    Backend.objects.get().save()
    assert Backend.objects.get().credential == before


@pytest.mark.django_db
def test_same_key_entered_again_changes_nothing() -> None:
    """An imported file that names it is imported again and again."""
    row = a_row(credential=KEY)
    before = row.credential
    row.credential = KEY
    row.save()
    assert Backend.objects.get().credential == before
    row.credential = f"{KEY}-new"
    row.save()
    assert unsealed(Backend.objects.get()) == f"{KEY}-new"


@pytest.mark.django_db
def test_same_key_entered_under_another_secret_is_sealed_anew(secrets: Any) -> None:
    """Whether the earlier one is still known or not."""
    for fallbacks in (["first secret"], []):
        Backend.objects.all().delete()
        secrets.SECRET_KEY, secrets.SECRET_KEY_FALLBACKS = "first secret", []
        row = a_row(credential=KEY)
        secrets.SECRET_KEY, secrets.SECRET_KEY_FALLBACKS = "second", fallbacks
        row.credential = KEY
        row.save()
        secrets.SECRET_KEY_FALLBACKS = []
        assert unsealed(Backend.objects.get()) == KEY


@pytest.mark.django_db
def test_file_with_a_key_changes_nothing_when_it_is_read_again() -> None:
    """import_config: a second import of the same file changes nothing."""
    entries = [{"name": "paid", "url": "https://h.example/v1", "api_key": KEY}]
    file = yaml.safe_dump({"backends": entries})
    first, second = (yaml_file.apply(yaml_file.read(file), "ann") for _ in range(2))
    assert ([change.verb for change in first], second) == (["added"], [])


@pytest.mark.django_db
@pytest.mark.parametrize("told", ["", "env:CHUTES_API_KEY"])
def test_name_of_a_variable_is_no_secret(told: str) -> None:
    assert a_row(credential=told).credential == told


@pytest.mark.django_db
def test_longest_key_fits_into_its_column() -> None:
    """A form that takes it must be able to store it, on every database."""
    longest = "k" * LONGEST_KEY
    Backend(name="main", url="https://h.example/v1", credential=longest).full_clean()
    row = a_row(credential=longest)
    assert len(row.credential) <= (Backend._meta.get_field("credential").max_length or 0)
    row.full_clean()


def test_secret_itself_is_not_the_key_of_the_box(secrets: Any) -> None:
    """Ours: what else is made from it, fingerprints and sessions, opens no box."""
    derived = encryption._derived("first secret", SERVER)
    assert b"first secret" not in derived
    assert derived != encryption._derived("first secret ", SERVER)
    assert derived != encryption._derived("first secret", "")


# --- one server's key is not another's ----------------------------------------------------------


@pytest.mark.parametrize("other", ["https://evil.example", "http://llm.example.com", "", "x"])
def test_sealed_key_is_read_for_its_own_server_alone(other: str) -> None:
    """Ours: attack, samples: a sealed text from a copy of the database."""
    with pytest.raises(UnsealError):
        unseal(seal(KEY, SERVER), other)


@pytest.mark.django_db
def test_sealed_key_in_a_row_of_another_server_is_never_sent() -> None:
    """Ours: also when it was written past every form."""
    row = a_row(credential=KEY)
    thief = a_row("thief", url="https://evil.example/v1", credential=row.credential)
    found = build(1)
    assert [backend.key for backend in found.routes.backends] == [KEY, ""]
    assert [fault.name for fault in found.faults] == [thief.name]


@pytest.mark.django_db
@pytest.mark.parametrize("url", ["https://evil.example/v1", "http://llm.example.com/v1"])
def test_file_that_moves_a_backend_to_another_server_must_bring_its_key(url: str) -> None:
    """Ours: the stored one stays where the file names none, for the same server."""
    a_row(credential=KEY)
    moved = yaml.safe_dump({"backends": [{"name": "main", "url": url}]})
    with pytest.raises(yaml_file.ConfigFileError, match="Enter the key again"):
        yaml_file.apply(yaml_file.read(moved), "ann")
    same = yaml.safe_dump({"backends": [{"name": "main", "url": "https://LLM.example.com:443/v2"}]})
    yaml_file.apply(yaml_file.read(same), "ann")
    assert build(1).routes.backends[0].key == KEY


@pytest.mark.django_db
def test_reseal_binds_what_an_earlier_version_sealed(capsys: Any) -> None:
    row = a_row()
    Backend.objects.update(credential=seal(KEY, ""))
    assert build(1).routes.backends[0].broken
    call_command("reseal")
    row.refresh_from_db()
    assert unsealed(row) == KEY
