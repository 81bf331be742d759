"""Rules: what is refused, what is stored, and what no file and no history shows."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from bridge.configuration import undo, yaml_file
from bridge.configuration.yaml_file import ConfigFileError
from bridge.keys import encryption
from bridge.models import Change, WarningRule
from bridge.models.changes import recorded
from bridge.models.warnings.rules import new_secret
from tests.bridge.history import forget
from tests.bridge.warned import SECRET, a_rule

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.example.com/services/T0/B0/very-secret?sig=x"
MAIL = "ops@example.com"


@pytest.mark.parametrize(
    ("column", "fields"),
    [
        ("webhook", {}),
        ("webhook", {"webhook": HOOK, "mail_to": MAIL}),
        ("webhook", {"webhook": "ftp://hooks.example.com"}),
        ("webhook", {"webhook": "https://user:password@hooks.example.com"}),
        ("webhook", {"webhook": "https://hooks.example.com/#x"}),
        ("webhook", {"webhook": "https://hooks.example.com/a b"}),
        ("webhook", {"webhook": "env:NO NAME"}),
        ("webhook", {"webhook": "https://h/" + "x" * 1400}),
        ("secret", {"webhook": HOOK, "secret": "short"}),
        ("secret", {"webhook": HOOK, "secret": "whsec_this is no base64 at all"}),
        ("secret", {"webhook": HOOK, "secret": "whsec_notbase64notbase64!!"}),
        ("secret", {"mail_to": MAIL, "secret": SECRET}),
        ("mail_to", {"mail_to": "nobody"}),
        ("mail_to", {"mail_to": "a@example.com, b@example.com"}),
        ("mail_to", {"mail_to": "\n".join(f"a{i}@example.com" for i in range(21))}),
        ("threshold", {"webhook": HOOK, "threshold": 50}),
        ("threshold", {"webhook": HOOK, "what": "budget", "threshold": 101}),
        ("threshold", {"webhook": HOOK, "what": "budget", "threshold": 0}),
        ("what", {"webhook": HOOK, "what": "weather"}),
    ],
)
def test_bad_rule_is_refused_by_the_name_of_its_field(column: str, fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        a_rule(**fields)
    assert set(caught.value.message_dict) == {column}


def test_address_and_secret_are_sealed_and_opened_again() -> None:
    rule = a_rule(webhook=HOOK, secret=SECRET)
    rule.refresh_from_db()
    assert rule.webhook.startswith(encryption.PREFIX) and "secret" not in rule.webhook
    assert rule.secret.startswith(encryption.PREFIX)
    assert (rule.address, rule.signing_secret) == (HOOK, SECRET)
    assert rule.destination == "https://hooks.example.com"


def test_what_is_sealed_for_a_rule_is_of_no_use_elsewhere() -> None:
    """Ours: attack. Nor is a backend's key in a rule."""
    rule = a_rule(webhook=HOOK)
    with pytest.raises(encryption.UnsealError):
        encryption.unseal(rule.webhook, "https://hooks.example.com")
    rule.secret = encryption.seal("cpk_key_of_a_backend", "https://llm.example.com")
    with pytest.raises(encryption.UnsealError):
        _ = rule.signing_secret


def test_environment_names_both(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    known = {"HOOK": HOOK, "HOOK_SECRET": SECRET}
    settings.BACKEND_SECRET = lambda name: known.get(name, "")
    rule = a_rule(webhook="env:HOOK", secret="env:HOOK_SECRET")
    assert (rule.address, rule.signing_secret) == (HOOK, SECRET)
    assert rule.destination == "env:HOOK"


def test_fresh_secret_is_a_good_one() -> None:
    assert a_rule(webhook=HOOK, secret=new_secret()).signing_secret != new_secret()


# --- file and history ---------------------------------------------------------------------------


def test_file_has_no_address_and_no_secret_and_loses_none() -> None:
    a_rule(webhook=HOOK, secret=SECRET, what="budget", threshold=90)
    text = yaml_file.export()
    assert "very-secret" not in text and "whsec" not in text and "sealed:" not in text
    changed = text.replace("threshold: 90", "threshold: 80")
    yaml_file.apply(yaml_file.read(changed), "me")
    rule = WarningRule.objects.get()
    assert (rule.threshold, rule.address, rule.signing_secret) == (80, HOOK, SECRET)
    assert yaml_file.apply(yaml_file.read(changed), "me") == []


def test_file_makes_rules() -> None:
    text = """
warning_rules:
- {name: money, what: budget, threshold: 95, mail_to: [finance@example.com, ops@example.com]}
- {name: all, webhook: 'https://hooks.example.com/x', secret: 'env:HOOK_SECRET'}
"""
    yaml_file.apply(yaml_file.read(text), "me")
    rules = WarningRule.objects.order_by("name")
    assert [(rule.name, rule.what, rule.destination) for rule in rules] == [
        ("all", "everything", "https://hooks.example.com"),
        ("money", "budget", "finance@example.com, ops@example.com"),
    ]


def test_file_turns_a_webhook_into_mail() -> None:
    a_rule(webhook=HOOK, secret=SECRET)
    text = "warning_rules: [{name: all, mail_to: ops@example.com}]"
    yaml_file.apply(yaml_file.read(text), "me")
    rule = WarningRule.objects.get()
    assert (rule.webhook, rule.secret, rule.recipients) == ("", "", [MAIL])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[{name: a}]", "warning_rules[0].webhook: Expected a webhook"),
        ("[{name: a, webhook: 'sealed:x'}]", "warning_rules[0].webhook: expected an address or"),
        ("[{name: a, secret: 'sealed:x'}]", "warning_rules[0].secret: expected a secret or"),
        ("[{name: a, mail_to: x}]", "warning_rules[0].mail_to: 'x' is no mail address."),
        ("[{name: a, mail_to: [x]}]", "warning_rules[0].mail_to:"),
        ("[{name: a, webhook: 5}]", "warning_rules[0].webhook:"),
        ("[{name: a, mail_to: a@b.cd, threshold: many}]", "warning_rules[0].threshold:"),
        ("[{name: a, mail_to: a@b.cd, colour: red}]", "warning_rules[0].colour: no such member"),
    ],
)
def test_bad_entry_is_refused_by_its_place(text: str, problem: str) -> None:
    with pytest.raises(ConfigFileError) as caught:
        yaml_file.apply(yaml_file.read(f"warning_rules: {text}"), "me")
    assert problem in str(caught.value)


def test_history_shows_no_address_and_no_secret_and_takes_back() -> None:
    rule = a_rule(webhook=HOOK, secret=SECRET)
    forget()
    with recorded("me"):
        rule.webhook, rule.secret = "https://other.example.com/also-secret", new_secret()
        rule.save()
    change = Change.objects.get()
    assert change.shown() == [
        ("webhook", "a stored address", "a stored address"),
        ("secret", "a stored secret", "a stored secret"),
    ]
    undo.revert(change)
    rule.refresh_from_db()
    assert (rule.address, rule.signing_secret) == (HOOK, SECRET)


def test_deleted_rule_comes_back() -> None:
    rule = a_rule(webhook=HOOK, secret=SECRET)
    forget()
    rule.delete()
    undo.revert(Change.objects.get())
    assert WarningRule.objects.get().address == HOOK
