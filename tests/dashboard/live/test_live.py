"""The live page's socket: who may open it, what it brings, and when it ends (pages, "live")."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings as configured
from django.contrib.auth.models import Group, User
from django.db import DatabaseError
from django.test import Client

from bridge.accounts import roles
from bridge.live.messages import GATEWAYS, WATCHERS, ActivitySnapshot, Finished, Running
from bridge.models import ApiKey, KeyLabel
from dashboard.live import consumers
from dashboard.live.consumers import NOT_ALLOWED
from dashboard.live.origins import is_own
from dashboard.queries.live import MOST_LISTED, recent
from proxysite.asgi import application
from tests.dashboard.making import FORWARDED, record

SOCKET = "/dashboard/live/socket/"
HOST = "gateway.localhost"
WAIT = 25.0


# --- where a page must be from --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("http://gw.example.com", "gw.example.com", True),
        ("https://gw.example.com:8443", "gw.example.com:8443", True),
        ("https://GW.example.com", "gw.EXAMPLE.com", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://gw.example.com:3000", "gw.example.com:8080", False),
        ("http://evil.example.com", "gw.example.com", False),
        ("http://gw.example.com.evil.com", "gw.example.com", False),
        ("null", "gw.example.com", False),
        ("", "gw.example.com", False),
        ("", "", False),
        ("http://", "", False),
        ("file://", "", False),
        ("http://[", "gw.example.com", False),
        ("https://front.example.org", "gw.example.com", True),
        ("http://front.example.org", "gw.example.com", False),
        ("https://a.trusted.example", "gw.example.com", True),
        ("https://trusted.example.evil", "gw.example.com", False),
    ],
)
def test_only_our_own_pages_may_open_a_socket(
    settings: Any, origin: str, host: str, own: bool
) -> None:
    """Whatever ALLOWED_HOSTS says, which is `*` where nobody set it."""
    settings.CSRF_TRUSTED_ORIGINS = ["https://front.example.org", "https://*.trusted.example"]
    assert is_own(origin, host) == own


# --- what it begins with --------------------------------------------------------------------------


NOW = datetime(2025, 3, 20, 14, 23, 45, tzinfo=UTC)


@pytest.mark.django_db
def test_the_last_five_minutes_come_from_the_ledger() -> None:
    """By the moment at which a request ended, not at which it came."""
    for number, (minutes, took, status) in enumerate(
        [(0.5, 4000, 200), (0.5, 4000, 529), (6, 120_000, 200), (6, 1000, 200), (30, 10, 200)]
    ):
        record(NOW - timedelta(minutes=minutes), number, duration_ms=took, status=status).save()
    told = recent(NOW)
    assert sorted(one["id"][-1] for one in told["finished"]) == ["0", "1", "2"]
    assert told["finished"][-1]["id"][-1] == "2"
    ended = (NOW - timedelta(seconds=26)).timestamp() // 5 * 5
    assert told["buckets"][str(int(ended))] == {"answered": 1, "error": 1, "tokens": 8400}
    assert sum(bucket.get("answered", 0) for bucket in told["buckets"].values()) == 2


@pytest.mark.django_db
def test_a_busy_ledger_is_counted_in_full_and_listed_in_part(
    django_assert_num_queries: Any,
) -> None:
    from bridge.models import UsageRecord

    rows = (record(NOW - timedelta(seconds=10), n, duration_ms=n) for n in range(200))
    UsageRecord.objects.bulk_create(rows)
    with django_assert_num_queries(1):
        told = recent(NOW)
    assert len(told["finished"]) == MOST_LISTED
    assert told["finished"][0]["at"] >= told["finished"][-1]["at"]
    assert sum(bucket["answered"] for bucket in told["buckets"].values()) == 200


@pytest.mark.django_db
def test_the_ledger_and_the_pulse_tell_requests_alike() -> None:
    """One function of the page reads both."""
    record(NOW - timedelta(seconds=10), 1).save()
    (told,) = recent(NOW)["finished"]
    assert set(told) == set(Finished.__struct_fields__)


# --- the socket -----------------------------------------------------------------------------------


def cookie(role: str, name: str = "watcher") -> str:
    """Of a browser in which a new user of this role is logged in."""
    user = User.objects.create(username=name, is_superuser=role == roles.ADMIN)
    user.groups.set(Group.objects.filter(name=role))
    client = Client()
    client.force_login(user)
    return f"{configured.SESSION_COOKIE_NAME}={client.cookies['sessionid'].value}"


def dial(cookies: str, origin: str = f"http://{HOST}", path: str = SOCKET) -> WebsocketCommunicator:
    headers = [(b"host", HOST.encode()), (b"cookie", cookies.encode())]
    if origin:
        headers.append((b"origin", origin.encode()))
    return WebsocketCommunicator(application, path, headers)


@pytest.fixture
async def watching(transactional_db: None) -> AsyncIterator[Callable[..., Any]]:
    """Opens sockets, and closes them when the test ends."""
    opened: list[WebsocketCommunicator] = []

    async def watch(role: str = roles.AUDITOR, **how: str) -> WebsocketCommunicator | None:
        socket = dial(await sync_to_async(cookie)(role), **how)
        opened.append(socket)
        connected, _ = await socket.connect(WAIT)
        return socket if connected else None

    yield watch
    for socket in opened:
        await socket.disconnect()


async def heard(socket: WebsocketCommunicator, kind: str) -> Any:
    """The next message of a kind."""
    while True:
        told = await socket.receive_json_from(WAIT)
        if told["type"] == kind:
            return told


@pytest.mark.parametrize("role", [roles.AUDITOR, roles.OPERATOR, roles.ADMIN])
async def test_whoever_may_see_reports_may_watch(watching: Any, role: str) -> None:
    socket = await watching(role)
    assert socket is not None
    assert (await heard(socket, "recent"))["finished"] == []


@pytest.mark.parametrize(
    "how",
    [
        {"role": ""},
        {"origin": "http://evil.example"},
        {"origin": ""},
        {"origin": f"http://{HOST}:3000"},
        {"path": "/dashboard/live/other/"},
        {"path": "/"},
    ],
    ids=str,
)
async def test_nobody_else_may(watching: Any, how: dict[str, str]) -> None:
    """Nobody without a role, and no page of another place with an auditor's cookies."""
    assert await watching(**{"role": roles.AUDITOR, **how}) is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cookies", ["", "sessionid=guessed"])
async def test_strangers_may_not(cookies: str) -> None:
    socket = dial(cookies)
    connected, _ = await socket.connect(WAIT)
    assert not connected
    await socket.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_a_key_holder_may_not(client: Client) -> None:
    """A visit to /my/ opens nothing else."""
    _, text = await sync_to_async(ApiKey.issue)("maria")
    await sync_to_async(client.post)("/my/", {"key": text})
    kept = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    assert "key_holder=" in kept
    connected, _ = await dial(kept).connect(WAIT)
    assert not connected


async def test_a_watcher_announces_itself(watching: Any) -> None:
    """So that gateways know that it is worth telling."""
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(GATEWAYS, channel)
    await watching()
    async with asyncio.timeout(WAIT):
        assert await layer.receive(channel) == {"type": "watched"}
    await layer.group_discard(GATEWAYS, channel)


async def test_beats_arrive_with_the_keys_names_of_today(watching: Any) -> None:
    row, text = await sync_to_async(ApiKey.issue)("maria")
    await sync_to_async(KeyLabel.objects.create)(fingerprint=FORWARDED, name="team Z")
    socket = await watching()
    team = Running("req_2", 1.0, key="key-x", fingerprint=FORWARDED)
    beat = ActivitySnapshot(
        "1f",
        1.0,
        (Running("req_1", 2.0, key="old name", key_id=row.pk), team),
        2,
        (Finished("req_3", 1.0, 0.5, "refused", 401),),
    )
    layer: Any = get_channel_layer()
    await layer.group_send(WATCHERS, beat.message())
    told = await heard(socket, "beat")
    named = [(one["key"], one["owner"]) for one in (*told["running"], *told["finished"])]
    assert named == [
        ("maria", str(row.pk)),
        ("team Z", f"f-{FORWARDED}"),
        ("no valid key", "none"),
    ]
    assert (told["process"], told["running_count"]) == ("1f", 2)


async def test_the_ledger_is_read_again_once_it_has_settled(
    watching: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ended just before the watching began is in no beat, and not yet in the ledger."""
    monkeypatch.setattr(consumers, "SETTLED_SECONDS", 0.01)
    socket = await watching()
    await heard(socket, "recent")
    await heard(socket, "recent")


@pytest.mark.parametrize("end", ["role", "user", "logout"])
async def test_a_socket_ends_when_its_user_may_not_watch_any_more(
    watching: Any, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(consumers, "SETTLED_SECONDS", 0.01)
    monkeypatch.setattr(consumers, "ANNOUNCE_SECONDS", 0.01)
    socket = await watching()
    await heard(socket, "recent")
    await sync_to_async(ENDS[end])()
    async with asyncio.timeout(WAIT):
        while (told := await socket.receive_output(WAIT))["type"] != "websocket.close":
            pass
    assert told["code"] == NOT_ALLOWED


def _log_out() -> None:
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()


ENDS: dict[str, Callable[[], Any]] = {
    "role": lambda: User.objects.get().groups.clear(),
    "user": lambda: User.objects.update(is_active=False),
    "logout": _log_out,
}


async def test_a_database_that_is_away_ends_no_socket(
    watching: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who watches an outage wants to go on watching."""
    monkeypatch.setattr(consumers, "SETTLED_SECONDS", 0.01)
    monkeypatch.setattr(consumers, "ANNOUNCE_SECONDS", 0.01)
    socket = await watching()
    await heard(socket, "recent")
    asked = asyncio.Event()

    async def away(scope: Any) -> None:
        asked.set()
        raise DatabaseError("away")

    monkeypatch.setattr(consumers, "get_user", away)
    await asyncio.wait_for(asked.wait(), WAIT)
    layer: Any = get_channel_layer()
    await layer.group_send(WATCHERS, ActivitySnapshot("1f", 1.0).message())
    assert (await heard(socket, "beat"))["process"] == "1f"


async def test_what_a_page_says_is_of_no_interest(watching: Any) -> None:
    socket = await watching()
    await heard(socket, "recent")
    for text in ('{"type": "beat"}', "[1]", "{not json"):
        await socket.send_to(text_data=text)
    await socket.send_to(bytes_data=b"\xff")
    layer: Any = get_channel_layer()
    await layer.group_send(WATCHERS, ActivitySnapshot("1f", 1.0).message())
    assert (await heard(socket, "beat"))["running"] == []
