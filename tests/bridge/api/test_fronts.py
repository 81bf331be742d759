"""X-Forwarded-*: of listed fronts, and of nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.api.fronts import FOR, PROTO, believed, believing
from bridge.keys.client_address import networks_of

FRONTS = networks_of("10.0.0.0/24, fd00::/8")
STRANGER = "203.0.113.9"


def seen(peer: str | None, forwarded: str = STRANGER) -> dict[bytes, bytes]:
    client = None if peer is None else [peer, 1234]
    headers = [(FOR, forwarded.encode()), (PROTO, b"https"), (b"host", b"a.example")]
    return dict(believed({"client": client, "headers": headers}, FRONTS))


@pytest.mark.parametrize("peer", ["10.0.0.7", "::ffff:10.0.0.7", "fd00::1", None, ""])
def test_listed_front_and_unix_socket_are_believed(peer: str | None) -> None:
    assert (seen(peer)[FOR], seen(peer)[PROTO]) == (STRANGER.encode(), b"https")


@pytest.mark.parametrize("peer", ["10.0.1.7", "127.0.0.1", "fe80::1", "nonsense"])
def test_nobody_else_is(peer: str) -> None:
    """The names stay: that a request was handed on decides whether it counts as local."""
    assert seen(peer) == {FOR: b"", PROTO: b"", b"host": b"a.example"}


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (f"{STRANGER}, 10.0.0.8", STRANGER),
        (f"192.0.2.1, {STRANGER}, 10.0.0.8, 10.0.0.9", STRANGER),
        ("10.0.0.8", "10.0.0.8"),
        ("10.0.0.8, nonsense", "nonsense"),
        (f"{STRANGER}:443, [fd00::8]:443, 10.0.0.9:80", f"{STRANGER}:443"),
        ("[2001:db8::7]:443, fd00::8%eth0", "[2001:db8::7]:443"),
        ("", ""),
        (f"{STRANGER}, " * 100_000 + "192.0.2.4", "192.0.2.4"),
    ],
    ids=["one front", "two fronts", "a front itself", "nonsense", "ports", "IPv6"]
    + ["nothing", "very long"],
)
def test_client_is_the_last_that_is_no_front(forwarded: str, client: str) -> None:
    assert seen("10.0.0.7", forwarded)[FOR] == client.encode()


def test_without_a_list_everything_is_as_it_came() -> None:
    async def application(*_: Any) -> None: ...

    assert believing(application, []) is application
