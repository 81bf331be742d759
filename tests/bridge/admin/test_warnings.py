"""The pages of warnings: rules with a test button, and what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from bridge.admin.fields.sealed import KEEP
from bridge.models import DeliveryOutcome, WarningDelivery, WarningEvent, WarningRule
from tests.bridge.admin_pages import form, of, page, press, said, text, wrong
from tests.bridge.people import browser
from tests.bridge.warned import SECRET, a_rule, use_mail_server
from tests.fakes.webhook import MailServer, WebhookReceiver

pytestmark = pytest.mark.django_db

HOOK = "https://hooks.example.com/services/very-secret"


@pytest.fixture
def client() -> Client:
    return browser("operator")


def an_event(rule: WarningRule, **delivery: Any) -> WarningEvent:
    event = WarningEvent.objects.create(
        what="disk", type="disk.filling", subject_kind="host", subject="h", period="p",
        text="The disk with the data of <b>h</b> is 91 % full.", is_open=True,
    )  # fmt: skip
    WarningDelivery.objects.create(event=event, rule=rule, **delivery)
    return event


def test_new_rule_is_offered_a_secret_which_is_never_shown_again(client: Client) -> None:
    given = form(client, of("warningrule", "add"))
    offered = given["secret"]
    assert offered.startswith("whsec_")
    assert form(client, of("warningrule", "add"))["secret"] != offered
    made = client.post(of("warningrule", "add"), given | {"name": "all", "webhook": HOOK})
    assert made.status_code == 302
    rule = WarningRule.objects.get()
    assert (rule.address, rule.signing_secret) == (HOOK, offered)
    shown = text(client.get(page(rule))) + text(client.get(of("warningrule", "changelist")))
    assert "very-secret" not in shown and offered not in shown and "sealed:" not in shown
    assert "https://hooks.example.com" in shown


def test_offered_secret_does_not_keep_a_rule_from_mail(client: Client) -> None:
    given = form(client, of("warningrule", "add")) | {"name": "m", "mail_to": "a@example.com"}
    assert client.post(of("warningrule", "add"), given).status_code == 302
    assert WarningRule.objects.get().secret == ""


def test_dots_keep_what_is_stored(client: Client) -> None:
    rule = a_rule(webhook=HOOK, secret=SECRET)
    given = form(client, page(rule))
    assert (given["webhook"], given["secret"]) == (KEEP, KEEP)
    changed = {"what": "budget", "threshold": "90"}
    assert client.post(page(rule), given | changed).status_code == 302
    rule.refresh_from_db()
    assert (rule.threshold, rule.address, rule.signing_secret) == (90, HOOK, SECRET)


def test_bad_address_is_refused_at_its_field(client: Client) -> None:
    given = form(client, of("warningrule", "add")) | {"name": "x", "webhook": "ftp://h"}
    assert wrong(client.post(of("warningrule", "add"), given)) == ["webhook"]


def test_test_button_sends_one_message_and_wakes_what_waits(
    client: Client, receiver: WebhookReceiver
) -> None:
    rule = a_rule(webhook=receiver.url, secret=SECRET)
    event = an_event(rule, tries=6)
    event.deliveries.update(next_try_at="2099-01-01T00:00:00Z")
    answer = press(client, rule, "send_test")
    origin = receiver.url.removesuffix("/hook")
    assert said(answer) == [f"{origin} took the test."]
    (got,) = receiver.received
    assert got.json["type"] == "test"
    assert got.headers["webhook-signature"].startswith("v1,")
    assert event.deliveries.get().next_try_at.year < 2099


def test_test_that_fails_says_why_without_what_was_answered(
    client: Client, receiver: WebhookReceiver
) -> None:
    rule = a_rule(webhook=receiver.url)
    receiver.answers.append(500)
    answer = press(client, rule, "send_test")
    origin = receiver.url.removesuffix("/hook")
    assert said(answer) == [f"{origin} did not take the test: status 500."]


def test_test_goes_by_mail(client: Client, settings: Any) -> None:
    rule = a_rule(mail_to="ops@example.com")
    with MailServer() as server:
        use_mail_server(settings, server)
        assert said(press(client, rule, "send_test")) == ["ops@example.com took the test."]
    assert [mail["to"] for mail in server.mails] == ["ops@example.com"]


def test_test_is_for_operators_alone(receiver: WebhookReceiver) -> None:
    rule = a_rule(webhook=receiver.url)
    assert browser("auditor").post(page(rule, "do", "send_test")).status_code == 403
    assert Client().post(page(rule, "do", "send_test")).status_code == 302
    assert receiver.received == []


def test_events_and_deliveries_are_listed(client: Client) -> None:
    rule = a_rule(webhook=HOOK)
    event = an_event(rule, tries=3, last_error="status 503")
    an_event_page = of("warningevent", "change", event.pk)
    for address in (of("warningevent", "changelist"), an_event_page, page(rule)):
        shown = text(client.get(address))
        assert "&lt;b&gt;h&lt;/b&gt;" in shown, address
        assert "waiting" in shown, address
    assert "status 503" in text(client.get(page(rule)))
    assert "status 503" in text(client.get(an_event_page))
    rules = text(client.get(of("warningrule", "changelist")))
    assert "1 waiting" in rules and DeliveryOutcome.GIVEN_UP.label not in rules


@pytest.mark.parametrize("role", ["auditor", "anonymous"])
def test_events_are_for_operators(role: str) -> None:
    event = an_event(a_rule(webhook=HOOK))
    client = browser(role)
    for address in (of("warningevent", "changelist"), of("warningevent", "change", event.pk)):
        assert client.get(address).status_code in (302, 403)
