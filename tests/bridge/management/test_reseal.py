"""A new SECRET_KEY: stored keys are read under the earlier one, and sealed anew on demand."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bridge.keys import encryption
from bridge.models import Backend, WarningRule
from tests.bridge.rows import a_row

pytestmark = pytest.mark.django_db

SERVER = "https://llm.example.com"
KEY = "cpk_stored_0123456789abcdef"


@pytest.fixture(autouse=True)
def first_secret(settings: Any) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "first", []


def stored() -> str:
    return Backend.objects.get(name="main").credential


def test_key_is_read_under_an_earlier_secret(settings: Any) -> None:
    """docs/security.md, Changing the secret."""
    a_row(credential=KEY)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["zeroth", "first"]
    assert encryption.unseal(stored(), SERVER) == KEY


def test_resealed_keys_need_the_earlier_secret_no_more(settings: Any, capsys: Any) -> None:
    a_row(credential=KEY)
    a_row("other", credential="env:SOME_KEY")
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["first"]
    call_command("reseal")
    assert capsys.readouterr().out == "1 of 1 stored keys are sealed anew.\n"
    settings.SECRET_KEY_FALLBACKS = []
    assert encryption.unseal(stored(), SERVER) == KEY
    assert Backend.objects.get(name="other").credential == "env:SOME_KEY"


def test_addresses_and_secrets_of_rules_are_sealed_anew_too(settings: Any) -> None:
    hook, secret = "https://hooks.example.com/x?sig=y", "whsec_c2VjcmV0IG9mIHRoZSByZWNlaXZlcg=="
    WarningRule.objects.create(name="all", webhook=hook, secret=secret)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "second", ["first"]
    call_command("reseal")
    settings.SECRET_KEY_FALLBACKS = []
    row = WarningRule.objects.get()
    assert (row.address, row.signing_secret) == (hook, secret)


def test_key_that_nobody_can_read_is_named_and_left_alone(settings: Any) -> None:
    a_row(credential=KEY)
    before = stored()
    settings.SECRET_KEY = "second"
    with pytest.raises(CommandError, match="not known here: main"):
        call_command("reseal")
    assert stored() == before
