"""Unix sockets: rights from the first moment on, and whose file is replaced or removed."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from bridge.management.doctor import port
from bridge.management.doctor.results import CheckGrade
from bridge.runtime.listening import listen
from bridge.runtime.socket_file import listen_at, path_of, removed_after


@pytest.fixture
def path() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are too deep for a socket
        yield f"{folder}/socket"


def grade(path: str) -> CheckGrade:
    (result,) = port.check(f"unix:{path}", 8080)
    return result.grade


def test_host_names_a_file_or_an_address() -> None:
    assert path_of("unix:/run/socket") == "/run/socket"
    assert path_of("127.0.0.1") == path_of("::1") == ""


@pytest.mark.parametrize("mode", [0o600, 0o660, 0o666])
def test_file_has_the_rights_that_are_asked_for(path: str, mode: int) -> None:
    before = os.umask(0o077)
    try:
        (taken,) = listen(f"unix:{path}", 8080, mode)
    finally:
        os.umask(before)
    with taken:
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
        assert taken.getblocking() is False


def test_file_of_a_process_that_is_gone_is_replaced(path: str) -> None:
    listen_at(path, 0o600).close()
    assert grade(path) is CheckGrade.OK
    with listen_at(path, 0o600), socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_file_that_somebody_listens_at_is_not(path: str) -> None:
    with listen_at(path, 0o600), socket.socket(socket.AF_UNIX) as client:
        with pytest.raises(ImproperlyConfigured, match="in use by another program"):
            listen_at(path, 0o600)
        assert grade(path) is CheckGrade.OK
        client.connect(path)


def test_file_of_a_process_that_accepts_nobody_is_not(path: str) -> None:
    with ExitStack() as opened:
        other = opened.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(path)
        other.listen(0)
        for _ in range(2):
            waiting = opened.enter_context(socket.socket(socket.AF_UNIX))
            waiting.setblocking(False)
            with suppress(BlockingIOError):
                waiting.connect(path)
        with pytest.raises(ImproperlyConfigured, match="in use by another program"):
            listen_at(path, 0o600)


def test_what_is_no_socket_stays(path: str) -> None:
    Path(path).write_text("precious")
    with pytest.raises(ImproperlyConfigured, match="is there already and is no socket"):
        listen_at(path, 0o600)
    assert grade(path) is CheckGrade.PROBLEM
    assert Path(path).read_text() == "precious"


def test_folder_that_is_missing_is_told(path: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="No such file or directory"):
        listen_at(f"{path}/deeper", 0o600)
    assert grade(f"{path}/deeper") is CheckGrade.PROBLEM


def test_of_many_that_start_at_once_one_listens(path: str) -> None:
    """All of them find a file that nobody listens at."""
    listen_at(path, 0o600).close()

    def start(_: int) -> socket.socket | None:
        with suppress(ImproperlyConfigured):
            return listen_at(path, 0o600)
        return None

    with ThreadPoolExecutor(8) as threads:
        taken = [each for each in threads.map(start, range(16)) if each is not None]
    assert len(taken) == 1
    taken[0].close()


def test_file_is_removed_at_the_end_unless_it_is_anothers(path: str) -> None:
    with removed_after(f"unix:{path}"):
        listen_at(path, 0o600).close()
    assert not os.path.lexists(path)
    first = listen_at(path, 0o600)
    with removed_after(f"unix:{path}"):
        first.close()
        second = listen_at(path, 0o600)
    with second, socket.socket(socket.AF_UNIX) as client:
        client.connect(path)


def test_addresses_have_no_file_to_remove() -> None:
    with removed_after("127.0.0.1"):
        pass
