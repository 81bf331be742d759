"""Warnings by mail, through a real mail server; and what hostile names cannot do in one."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from bridge.models import WarningDelivery, WarningEvent
from bridge.warnings.mail import NO_SERVER
from tests.bridge.warned import Times, WarningProcess, a_rule, spend, use_mail_server
from tests.bridge.warnings.test_budgets import a_key
from tests.fakes.ports import reserve_port
from tests.fakes.webhook import MailServer, WebhookReceiver

pytestmark = [pytest.mark.django_db(transaction=True)]

HOSTILE = "ci\r\nBcc: thief@example.com\r\n\r\nClick http://evil.example\u2028\x00\x1b[31m"


@sync_to_async
def prepare(name: str = "ci", to: str = "ops@example.com\nboss@example.com") -> None:
    a_rule("mail", mail_to=to)
    key = a_key()
    type(key).objects.filter(pk=key.pk).update(name=name)
    spend(15.2, key_id=key.pk)


@sync_to_async
def only_delivery() -> tuple[str, str]:
    row = WarningDelivery.objects.get()
    return row.outcome, row.last_error


async def test_mail_comes_once_to_all_recipients(
    mail_server: MailServer, process: WarningProcess, settings: Any
) -> None:
    settings.PUBLIC_URL = "https://gateway.example.com"
    await prepare()
    await process.work()
    await process.work()
    (mail,) = mail_server.mails
    assert mail["to"] == "ops@example.com, boss@example.com"
    assert mail["from"] == "gateway@example.com"
    begin = "Key ci has used 76 % of its budget of 20.00 USD a month"
    assert mail["subject"].startswith(f"[gateway] {begin}")
    event = await WarningEvent.objects.aget()
    assert mail["message-id"] == f"<{event.event_id}@warnings.gateway>"
    text = mail.get_content()
    assert begin in text and "used_usd: 15.2" in text
    assert f"https://gateway.example.com/admin/bridge/warningevent/{event.pk}/change/" in text
    assert await only_delivery() == ("delivered", "")


async def test_hostile_name_becomes_no_header(
    mail_server: MailServer, process: WarningProcess
) -> None:
    """Line breaks in a key's name."""
    await prepare(HOSTILE)
    await process.work()
    (mail,) = mail_server.mails
    assert mail["bcc"] is None and mail["to"] == "ops@example.com, boss@example.com"
    assert "ci Bcc: thief@example.com" in mail["subject"]
    assert mail.get_content().splitlines()[0].startswith("Key ci Bcc: thief@example.com Click")
    assert "\x1b" not in mail.as_string()


async def test_hostile_name_stays_a_text_in_json(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    await prepare(HOSTILE)
    await sync_to_async(lambda: a_rule("hook", webhook=receiver.url))()
    await process.work()
    (got,) = receiver.received
    assert got.json["subject"]["name"].startswith("ci Bcc: thief@example.com Click")
    assert got.json["text"].isprintable()


async def test_refused_recipients_are_named_by_their_status(
    settings: Any, process: WarningProcess
) -> None:
    with MailServer(refusal="550 no such user ops@example.com") as server:
        use_mail_server(settings, server)
        await prepare()
        await process.work()
    assert await only_delivery() == ("waiting", "the mail server refused all recipients")


async def test_mail_server_that_is_away_is_tried_again(
    settings: Any, process: WarningProcess, times: Times
) -> None:
    port = reserve_port()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_URL, settings.EMAIL_HOST = f"smtp://127.0.0.1:{port}", "127.0.0.1"
    settings.EMAIL_PORT, settings.DEFAULT_FROM_EMAIL = port, "gateway@example.com"
    await prepare()
    await process.work()
    assert await only_delivery() == ("waiting", "connection refused")
    with MailServer() as server:
        use_mail_server(settings, server)
        times.pass_by(seconds=5)
        await process.work()
        assert len(server.mails) == 1


async def test_without_a_mail_server_the_reason_is_shown(
    settings: Any, process: WarningProcess
) -> None:
    settings.EMAIL_URL = ""
    await prepare()
    await process.work()
    assert await only_delivery() == ("waiting", NO_SERVER)
