"""What cannot be read is set aside and named; all the rest becomes rows."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import Error

from bridge.ledger import audit as auditing
from bridge.ledger import writer
from bridge.ledger.record import Record
from bridge.ledger.rows import row_of
from bridge.ledger.spool import SET_ASIDE, Spool
from bridge.ledger.spool_file import SpoolFile
from bridge.ledger.writer import Ledger
from bridge.models import UsageRecord
from tests.bridge.spooling import BIG, Make, adopt, drain, numbered

pytestmark = pytest.mark.usefixtures("transactional_db")

POISON = [
    b'{"request_id":"x","status":200,"started_at":1e300}',
    b'{"request_id":"x","status":200,"started_at":-1e300}',
    b'{"request_id":"x","status":200,"started_at":253402300799}',
    b'{"request_id":"x","status":200,"started_at":1,"seconds":1e308}',
    b'{"request_id":"x","status":200,"started_at":1e999}',
    b'{"request_id":"x","status":"two hundred"}',
    b'{"request_id":' + b"[" * 100_000,
    b"[" * 50_000 + b"]" * 50_000,
    b'{"request_id":"x"',
    b"\xff\xfe\x00",
    b"null",
    b"",
]


@pytest.fixture
def ledger(spool: Spool) -> Ledger:
    return Ledger(spool)


def rows() -> set[str]:
    return set(UsageRecord.objects.values_list("request_id", flat=True))


def write_all(ledger: Ledger) -> None:
    while ledger.step():
        pass


# --- lines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", POISON, ids=range(len(POISON)))
def test_poisoned_line_holds_up_no_other(
    ledger: Ledger, spool: Spool, folder: Path, line: bytes
) -> None:
    """Observed: one such line ended the ledger for good, also after a restart."""
    Record("before").write(spool)
    spool.append(line)
    Record("after").write(spool)
    write_all(ledger)
    assert {"before", "after"} <= rows()
    state = ledger.state
    assert (state.waiting, state.last_error) == (0, "")
    assert (folder / SET_ASIDE).is_file() == (state.set_aside == 1) == ("x" not in rows())


def test_time_that_is_none_does_not_hide_how_far_the_rows_are_behind(
    ledger: Ledger, spool: Spool
) -> None:
    spool.append(POISON[0])
    write_all(ledger)
    Record("later").write(spool)
    ledger._current_at -= 30
    assert 0 < ledger.state.lag_seconds < 3600


@pytest.mark.parametrize("error", [OverflowError, TypeError, RecursionError, KeyError])
def test_record_that_makes_no_row_is_set_aside_whatever_the_error(
    ledger: Ledger, spool: Spool, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def choosy(record: Record) -> Any:
        if record.request_id == "bad":
            raise error
        return row_of(record)

    monkeypatch.setattr(writer, "row_of", choosy)
    for name in ("one", "bad", "two", "three"):
        Record(name).write(spool)
    write_all(ledger)
    assert (rows(), ledger.state.set_aside) == ({"one", "two", "three"}, 1)


# --- files ---------------------------------------------------------------------------------------


def a_folder(path: Path) -> None:
    path.mkdir(parents=True)


def a_pipe(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)


def a_circle(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(path)


@pytest.mark.parametrize("make", [a_folder, a_pipe, a_circle])
def test_thing_with_the_name_of_a_spool_file_is_named_and_left(
    spool: Spool, folder: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    make(folder / "0.jsonl")
    for line in numbered(3):
        spool.append(line)
    for _ in range(3):
        adopt(spool)
        spool.measure()
    assert drain(spool) == numbered(3)
    assert list(spool.unreadable) == ["0.jsonl"]
    assert caplog.text.count("0.jsonl") == 1
    assert auditing.waiting(folder) == 0
    (sentence,) = auditing.unreadable(folder)
    assert "0.jsonl cannot be read" in sentence


def test_file_that_fails_while_it_is_read_is_left_out(
    spool: Spool, spools: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours: a bad sector under one file must not keep the others from becoming rows."""
    for line in numbered(4):
        spool.append(line)
    spool.close()
    heir = spools()
    adopt(heir)
    heir.append(b"mine")
    read, broken = SpoolFile.read, heir._files[0].name

    def failing(file: SpoolFile, limit: int) -> tuple[list[bytes], int]:
        if file.name == broken:
            raise OSError(5, "Input/output error")
        return read(file, limit)

    with monkeypatch.context() as disk:
        disk.setattr(SpoolFile, "read", failing)
        assert drain(heir) == [b"mine"]
        assert (heir.depth, heir.unreadable) == (0, {broken: "Input/output error"})
        assert (folder / broken).is_file()
    adopt(heir)
    assert (drain(heir), heir.unreadable) == (numbered(4), {})


def test_own_file_that_fails_is_followed_by_another(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool.append(b"lost from sight")
    with monkeypatch.context() as disk:
        disk.setattr(SpoolFile, "read", lambda file, limit: os.read(-1, 1))
        assert spool.take(10) is None
    spool.append(b"well")
    assert (drain(spool), spool.depth) == ([b"well"], 0)


def test_what_was_taken_away_is_named_no_longer(spool: Spool, folder: Path) -> None:
    a_folder(folder / "0.jsonl")
    adopt(spool)
    (folder / "0.jsonl").rmdir()
    adopt(spool)
    assert spool.unreadable == {}


# --- the log -------------------------------------------------------------------------------------


async def test_database_that_never_came_is_not_said_to_be_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Observed: "usage records are being written again", six seconds after the start."""
    ledger = Ledger(Spool(folder, BIG))
    ledger._last_error = "the database is away"
    monkeypatch.setattr(writer, "connection", Away())
    with caplog.at_level(logging.WARNING):
        ledger._upkeep_at = float("-inf")
        assert await ledger.advance() == 0
    assert "again" not in caplog.text
    assert ledger.state.last_error == "no route to host"


class Away:
    """A connection to nowhere."""

    def cursor(self) -> None:
        raise Error("no route to host")
