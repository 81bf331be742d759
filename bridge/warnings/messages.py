"""What is sent of an event: one JSON document for webhooks, one plain text for mail."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings
from django.urls import reverse

from bridge.models import WarningEvent
from bridge.models.warnings.events import new_event_id

TEST = "test"
TEST_TEXT = "This is a test of the gateway's warnings. Nothing is wrong."


class MessageSubject(msgspec.Struct, frozen=True):
    """What a message is about, in JSON."""

    kind: str
    id: str
    name: str


class WarningMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The JSON document of a webhook. A new member may come, none goes or changes its meaning.

    id       the same at each try, and for each receiver
    at       when it happened, RFC 3339
    text     the sentence for people
    numbers  by type; docs/how-to/warnings.md lists them
    link     to the event in the admin, where PUBLIC_URL is set
    """

    id: str
    type: str
    at: str
    subject: MessageSubject
    text: str
    numbers: dict[str, Any]
    link: str = ""

    def as_json(self) -> bytes:
        return msgspec.json.encode(self)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where one rule sends. Either an address or recipients."""

    rule: str
    address: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    recipients: tuple[str, ...] = ()


def message_of(event: WarningEvent) -> WarningMessage:
    return WarningMessage(
        id=event.event_id,
        type=event.type,
        at=_moment(event.at),
        subject=MessageSubject(event.subject_kind, event.subject, event.subject_name),
        text=event.text,
        numbers=event.numbers,
        link=_link(event),
    )


def _link(event: WarningEvent) -> str:
    if not settings.PUBLIC_URL:
        return ""
    # PUBLIC_URL ends in BASE_PATH, with which addresses begin where a request is answered.
    page = reverse("admin:bridge_warningevent_change", args=[event.pk])
    return f"{settings.PUBLIC_URL}{page.removeprefix(settings.BASE_PATH)}"


def a_test(now: datetime) -> WarningMessage:
    """What the button sends."""
    subject = MessageSubject("gateway", "", "")
    return WarningMessage(new_event_id(), TEST, _moment(now), subject, TEST_TEXT, {})


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
