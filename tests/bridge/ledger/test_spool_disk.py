"""The spool on a disk that takes nothing: no request fails, and no line is lost in silence."""

import errno
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bridge.ledger import spool as spooling
from bridge.ledger.spool import Spool
from bridge.ledger.spool_file import READ_BYTES, SpoolFile
from tests.bridge.making import Clock
from tests.bridge.spooling import BIG, Make, adopt, drain, files, numbered


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spool_clock(clock: Clock) -> Clock:
    return clock


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process may grow beyond that size: writes come back short, then fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_full_disk_costs_no_line(
    spool: Spool, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Ours: lines wait in memory, and the log says so once."""
    with full_disk(20):
        for line in numbered(8):
            spool.append(line)
    assert (spool.depth, spool.lost, spool.torn) == (8, 0, 0)
    assert caplog.text.count("cannot be written to") == 1
    clock.advance(spooling.RETRY_SECONDS)
    spool.append(b"again")
    assert "can be written to again" in caplog.text
    assert sorted(drain(spool)) == sorted([*numbered(8), b"again"])
    assert (spool.depth, spool.torn) == (0, 0)


def test_refusing_disk_is_not_asked_for_every_line(
    spool: Spool, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a request must not wait for a disk that is known to be ill."""
    asked = []

    def refuse(folder: Path) -> SpoolFile:
        asked.append(folder)
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(SpoolFile, "create", refuse)
    for line in numbered(10):
        spool.append(line)
    clock.advance(spooling.RETRY_SECONDS)
    spool.append(b"x")
    assert (len(asked), spool.depth) == (2, 11)


def test_folder_that_cannot_be_made_costs_no_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "spool").write_text("a file")
    spool = Spool(tmp_path / "spool", BIG)
    spool.append(b"a")
    adopt(spool)
    spool.measure()
    assert drain(spool) == [b"a"]


def test_what_memory_cannot_hold_is_counted_and_told_once_a_minute(
    spool: Spool,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Ours: never lost silently."""
    monkeypatch.setattr(spooling, "MEMORY_LINES", 3)
    monkeypatch.setattr(SpoolFile, "append", no_space)
    for line in numbered(10):
        spool.append(line)
    assert (spool.depth, spool.lost) == (3, 7)
    assert caplog.text.count("records lost") == 1
    clock.advance(spooling.REMIND_SECONDS)
    spool.append(b"one more")
    assert "3 records in memory, 8 records lost" in caplog.text
    assert drain(spool) == numbered(3)


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_bound_of_the_disk_is_kept(
    spools: Make, folder: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """docs, SPOOL_MAX_BYTES: beyond it lines wait in memory."""
    monkeypatch.setattr(spooling, "MEMORY_LINES", 2)
    spool = spools(max_bytes=40)
    for line in numbered(10):
        spool.append(line)
    assert sum(path.stat().st_size for path in files(folder)) == spool.size == 40
    assert (spool.depth, spool.lost) == (7, 3)
    assert len(drain(spool)) == 7


def test_files_of_others_count_towards_the_bound(spools: Make, clock: Clock) -> None:
    other, spool = spools(max_bytes=40), spools(max_bytes=40)
    for line in numbered(5):
        other.append(line)
    spool.measure()
    spool.append(b"a")
    assert (spool.size, spool.depth) == (40, 1)
    assert spool.take(1) is not None


def test_half_full_spool_is_warned_of(
    spools: Make, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    spool = spools(max_bytes=80)
    for line in numbered(4):
        spool.append(line)
    spool.measure()
    assert "usage spool" not in caplog.text
    spool.append(b'{"n":4}')
    spool.measure()
    spool.measure()
    warnings = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert [entry.getMessage() for entry in warnings] == [
        "usage spool: 40 of 80 bytes, 0 records in memory, 0 records lost"
    ]


def test_memory_goes_to_the_disk_at_the_end(
    spool: Spool, spools: Make, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: the disk may be well again by then."""
    with monkeypatch.context() as ill:
        ill.setattr(SpoolFile, "append", no_space)
        for line in numbered(3):
            spool.append(line)
    spool.close()
    heir = spools()
    adopt(heir)
    assert sorted(drain(heir)) == numbered(3)


def test_line_beyond_all_measure_is_refused(spool: Spool, clock: Clock) -> None:
    spool.append(b"x" * READ_BYTES)
    assert (spool.depth, spool.lost) == (0, 1)
