"""The ports for servers that tests start: nobody else gets them, and they can be used again."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fakes.ports import reserve_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux reserves ports")
REUSES = [[socket.SO_REUSEADDR], [socket.SO_REUSEPORT], [socket.SO_REUSEADDR, socket.SO_REUSEPORT]]


@contextmanager
def server(port: int, *options: int, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.socket() as listening:
        for option in options:
            listening.setsockopt(socket.SOL_SOCKET, option, 1)
        listening.bind((host, port))
        listening.listen()
        yield listening


@pytest.mark.parametrize("options", REUSES)
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_server_may_be_started_again_and_again(options: list[int], host: str) -> None:
    """With connections of the one before that are not quite over yet."""
    port = reserve_port()
    for _ in range(3):
        with (
            server(port, *options, host=host) as listening,
            socket.create_connection(("127.0.0.1", port), timeout=5) as client,
        ):
            ours, _ = listening.accept()
            ours.close()
            assert client.recv(1) == b""


def test_nobody_listens_before_the_server_does() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", reserve_port()), timeout=5)


def test_second_server_is_refused() -> None:
    port = reserve_port()
    with (
        server(port, socket.SO_REUSEADDR),
        pytest.raises(OSError, match="in use"),
        server(port, socket.SO_REUSEADDR),
    ):
        pass


def test_who_does_not_reuse_addresses_is_refused() -> None:
    """So nobody takes it by accident."""
    with pytest.raises(OSError, match="in use"), server(reserve_port()):
        pass
