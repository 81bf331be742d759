"""Deliveries to a webhook on a real socket: in order, once, signed, tried again, given up."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async

from bridge.concerns.running import of_processes
from bridge.models import DeliveryOutcome, WarningDelivery, WarningEvent, WarningRule
from bridge.warnings import outbox
from tests.bridge.warned import BEGIN, SECRET, Times, WarningProcess, a_rule
from tests.fakes.webhook import HANG, WebhookReceiver

pytestmark = [pytest.mark.django_db(transaction=True)]


def put(*rules: WarningRule, count: int = 1, text: str = "It happened") -> None:
    """Events that each of these rules is to be sent."""
    for number in range(count):
        event = WarningEvent.objects.create(
            what="disk",
            type=f"t{number}",
            subject_kind="host",
            subject="h",
            period="p",
            at=BEGIN,
            text=text,
        )
        for rule in rules:
            WarningDelivery.objects.create(event=event, rule=rule, next_try_at=BEGIN)


@sync_to_async
def prepare(address: str, count: int = 1, **fields: str) -> None:
    put(a_rule(webhook=address, **fields), count=count)


@sync_to_async
def deliveries() -> list[tuple[str, int, str]]:
    rows = WarningDelivery.objects.order_by("pk")
    return [(row.outcome, row.tries, row.last_error) for row in rows]


async def test_message_is_signed_as_standard_webhooks_have_it(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    await prepare(receiver.url, secret=SECRET)
    await process.work()
    (got,) = receiver.received
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    stamp = got.headers["webhook-timestamp"]
    signed = f"{got.headers['webhook-id']}.{stamp}.".encode() + got.body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{digest}"
    assert stamp == str(int(BEGIN.timestamp()))
    assert got.json["id"] == got.headers["webhook-id"]
    assert got.headers["content-type"] == "application/json"
    assert (got.json["text"], got.json["at"]) == ("It happened", "2026-11-11T12:00:00Z")
    assert await deliveries() == [("delivered", 1, "")]


async def test_without_a_secret_nothing_is_signed(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    await prepare(receiver.url)
    await process.work()
    assert "webhook-signature" not in receiver.received[0].headers


async def test_each_comes_once_and_in_order_also_when_the_first_fails_twice(
    receiver: WebhookReceiver, process: WarningProcess, times: Times
) -> None:
    """Also when it answers 500 twice."""
    receiver.answers.extend([500, 500])
    await prepare(receiver.url, count=3)
    for pause in (0, *outbox.PAUSES[:2]):
        times.pass_by(seconds=pause)
        await process.work()
        await process.work()
    assert receiver.types == ["t0", "t0", "t0", "t1", "t2"]
    assert len({each.headers["webhook-id"] for each in receiver.received[:3]}) == 1
    assert await deliveries() == [("delivered", 3, ""), *[("delivered", 1, "")] * 2]


async def test_what_hangs_is_left_after_its_time(receiver: WebhookReceiver, times: Times) -> None:
    process = WarningProcess(times, timeout=0.3)
    receiver.answers.append(HANG)
    await prepare(receiver.url)
    await process.work()
    assert await deliveries() == [("waiting", 1, "no answer within 0.3 s")]


async def test_what_hangs_holds_up_nobody(receiver: WebhookReceiver, times: Times) -> None:
    process = WarningProcess(times, timeout=100.0)
    with WebhookReceiver() as other:
        other.answers.append(HANG)

        @sync_to_async
        def prepare_two() -> None:
            put(a_rule("a", webhook=other.url), a_rule("b", webhook=receiver.url), count=2)

        await prepare_two()
        work = asyncio.create_task(process.work())
        await asyncio.to_thread(receiver.wait, 2)
    await work
    assert receiver.types == ["t0", "t1"]
    sent = ("delivered", 1, "")
    hung = ("waiting", 1, "connection was closed without a reply")
    assert await deliveries() == [hung, sent, ("waiting", 0, ""), sent]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (302, "status 302: redirects are not followed"),
        (410, "status 410"),
        (503, "status 503"),
    ],
)
async def test_only_success_is_success(
    status: int, reason: str, receiver: WebhookReceiver, process: WarningProcess
) -> None:
    receiver.more_headers = {"location": f"{receiver.url}/elsewhere", "set-cookie": "a=b"}
    receiver.answers.append(status)
    await prepare(receiver.url)
    await process.work()
    assert [each.path for each in receiver.received] == ["/hook"]
    assert await deliveries() == [("waiting", 1, reason)]


async def test_nobody_there(process: WarningProcess) -> None:
    with WebhookReceiver() as gone:
        address = gone.url
    await prepare(address)
    await process.work()
    assert await deliveries() == [("waiting", 1, "connection refused")]


async def test_given_up_after_a_day(
    receiver: WebhookReceiver, process: WarningProcess, times: Times
) -> None:
    """docs: after 24 hours a warning is no news."""
    receiver.answers.extend([500] * 100)
    await prepare(receiver.url)
    for _ in range(60):
        await process.work()
        times.pass_by(minutes=30)
    ((outcome, tries, reason),) = await deliveries()
    assert (outcome, reason) == (DeliveryOutcome.GIVEN_UP, "status 500")
    assert tries == len(receiver.received) == 12


async def test_rule_that_is_switched_off_is_sent_nothing(
    receiver: WebhookReceiver, process: WarningProcess
) -> None:
    await prepare(receiver.url)
    await sync_to_async(WarningRule.objects.update)(enabled=False)
    await process.work()
    assert receiver.received == []


async def test_address_that_cannot_be_read_is_named(
    receiver: WebhookReceiver, process: WarningProcess, settings: object
) -> None:
    await prepare(receiver.url)
    settings.SECRET_KEY = "another"  # type: ignore[attr-defined]
    await process.work()
    assert await deliveries() == [("waiting", 1, outbox.UNREADABLE)]


async def test_process_that_is_killed_while_it_sends_loses_nothing(
    receiver: WebhookReceiver, process: WarningProcess, times: Times
) -> None:
    """At least once, under the same id: the try was written down, and the next one is planned."""
    await prepare(receiver.url)
    (due,) = await sync_to_async(outbox.due)(times.now)
    assert await sync_to_async(outbox.claim)(due, times.now)
    await process.work()
    assert receiver.received == []
    times.pass_by(seconds=outbox.PAUSES[0])
    await process.work()
    assert [each.headers["webhook-id"] for each in receiver.received] == [due.message.id]


async def test_try_belongs_to_one_process(receiver: WebhookReceiver, times: Times) -> None:
    await prepare(receiver.url)
    (due,) = await sync_to_async(outbox.due)(times.now)
    later = times.now + timedelta(seconds=1)
    claims = [await sync_to_async(outbox.claim)(due, at) for at in (times.now, later)]
    assert claims == [True, False]


async def test_destination_that_fails_for_a_while_needs_attention(
    receiver: WebhookReceiver, process: WarningProcess, times: Times
) -> None:
    """On the start page of the admin and in the reports; not at the first failure."""
    receiver.answers.extend([500] * 3)
    await prepare(receiver.url)
    found = []
    for pause in (0, *outbox.PAUSES[:3]):
        times.pass_by(seconds=pause)
        await process.work()
        concerns = await sync_to_async(of_processes)([], times.now)
        found.append([concern.text for concern in concerns])
    text = "1 warning of rule all could not be delivered: status 500"
    assert found == [[], [], [text], []]
