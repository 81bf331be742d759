"""The spool: lines outlive their process, are read once, and never cost a request its answer."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.ledger import spool as spooling
from bridge.ledger.spool import SET_ASIDE, Spool
from bridge.ledger.spool_file import READ_BYTES, SpoolFile
from tests.bridge.spooling import Make, adopt, drain, files, numbered

ROOT = Path(__file__).resolve().parents[3]


# --- one process ---------------------------------------------------------------------------------


def test_lines_come_out_as_they_went_in(spool: Spool, folder: Path) -> None:
    for line in numbered(10):
        spool.append(line)
    assert spool.depth == 10
    assert drain(spool) == numbered(10)
    assert (spool.depth, spool.take(5)) == (0, None)


def test_line_is_in_the_file_when_append_returns(spool: Spool, folder: Path) -> None:
    """design, The ledger: one write; what the kernel has outlives the process."""
    spool.append(b"a")
    spool.append(b"b")
    (path,) = files(folder)
    assert path.read_bytes() == b"a\nb\n"


def test_spool_is_for_its_owner_only(spool: Spool, folder: Path) -> None:
    spool.append(b"a")
    assert (folder.stat().st_mode & 0o777, files(folder)[0].stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_process_without_requests_makes_no_file(spool: Spool, folder: Path) -> None:
    adopt(spool)
    spool.measure()
    assert spool.take(1) is None
    assert not folder.exists()


def test_batch_is_offered_again_until_it_is_done(spool: Spool) -> None:
    """Ours: whoever could not write it asks again."""
    for line in numbered(4):
        spool.append(line)
    assert [batch.lines for batch in (spool.take(3), spool.take(3)) if batch] == [numbered(3)] * 2
    assert drain(spool) == numbered(4)


def test_full_file_is_followed_by_another_and_goes_when_it_is_read(
    spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spooling, "ROTATE_BYTES", 30)
    for line in numbered(10):
        spool.append(line)
    before = [path.name for path in files(folder)]
    assert len(before) > 2
    assert sorted(drain(spool)) == numbered(10)
    assert set(spool.removed) == set(before) - {path.name for path in files(folder)}
    assert len(files(folder)) <= 1
    spool.append(b"more")
    assert drain(spool) == [b"more"]


def test_file_is_read_in_pieces(spool: Spool) -> None:
    """Ours: more than is read at a time."""
    lines = [b"x" * 100_000 for _ in range(3 * READ_BYTES // 100_000)]
    for line in lines:
        spool.append(line)
    assert drain(spool, 1000) == lines


def test_closed_spool_leaves_nothing_when_all_is_read(spool: Spool, folder: Path) -> None:
    spool.append(b"a")
    drain(spool)
    spool.close()
    assert files(folder) == []


def test_line_after_the_end_waits_for_the_next_process(spool: Spool, spools: Make) -> None:
    """Ours: a request that ends while its process shuts down."""
    spool.append(b"a")
    spool.close()
    spool.append(b"late")
    spool.close()
    following = spools()
    adopt(following)
    assert sorted(drain(following)) == [b"a", b"late"]


def test_line_that_makes_no_row_is_set_aside(
    spool: Spool, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.append(b"a")
    spool.set_aside(b"strange", "no record")
    spool.set_aside(b"stranger", "no record")
    assert (folder / SET_ASIDE).read_bytes() == b"strange\nstranger\n"
    assert "no record" in caplog.text
    assert "strange\n" not in caplog.text


# --- several processes ---------------------------------------------------------------------------


def test_file_of_a_living_process_is_left_alone(spool: Spool, spools: Make) -> None:
    """Ours: the lock tells a living owner from a dead one."""
    spool.append(b"a")
    other = spools()
    adopt(other)
    assert other.take(1) is None
    spool.close()
    adopt(other)
    assert (other.depth, drain(other)) == (1, [b"a"])


def test_file_of_a_dead_process_goes_to_one_heir(spool: Spool, spools: Make) -> None:
    for line in numbered(5):
        spool.append(line)
    spool.close()
    first, second = spools(), spools()
    for heir in (first, second, first, second):
        adopt(heir)
    assert (drain(first), drain(second)) == (numbered(5), [])
    adopt(second)
    assert drain(second) == []


def test_heir_goes_on_where_the_rows_end(spool: Spool, spools: Make, folder: Path) -> None:
    for line in numbered(5):
        spool.append(line)
    spool.close()
    (path,) = files(folder)
    heir = spools()
    adopt(heir, **{path.name: len(b'{"n":0}\n') * 2})
    assert (heir.depth, drain(heir)) == (3, numbered(5)[2:])
    assert (files(folder), heir.removed) == ([], [path.name])


def test_adopted_file_is_not_read_before_it_is_placed(spool: Spool, spools: Make) -> None:
    spool.append(b"a")
    spool.close()
    heir = spools()
    heir.adopt()
    assert (len(heir.unplaced()), heir.take(1)) == (1, None)
    heir.place({})
    assert (heir.unplaced(), drain(heir)) == ([], [b"a"])


def test_file_that_another_removed_meanwhile_is_nobodys(tmp_path: Path) -> None:
    """Ours: found, then read and removed by another before it could be locked."""
    own = SpoolFile.create(tmp_path)
    descriptor = os.open(own.path, os.O_RDWR)
    own.remove()
    path = Path(f"/proc/self/fd/{descriptor}")
    assert SpoolFile.adopt(path) is None
    os.close(descriptor)


KILLED = """
import sys
from pathlib import Path
from bridge.ledger.spool import Spool
spool = Spool(Path(sys.argv[1]), 2**30)
number = 0
while True:
    spool.append(b'{"n":%d}' % number)
    print(number, flush=True)
    number += 1
"""


def test_killed_process_loses_nothing_that_was_seen(spools: Make, folder: Path) -> None:
    """design, The ledger: a killed process loses nothing; the spool is replayed."""
    seen = []
    for _ in range(3):
        command = [sys.executable, "-c", KILLED, str(folder)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(200):
            last = process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        last = ([last, *process.stdout.readlines()])[-1]
        process.wait(10)
        process.stdout.close()
        seen.append(int(last))
    heir = spools()
    adopt(heir)
    found = drain(heir, 500)
    for number in range(max(seen)):
        line = b'{"n":%d}' % number
        assert found.count(line) >= sum(number <= last for last in seen)
    assert files(folder) == []


# --- torn lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rest", [b'{"n":', b"\0" * 50, b"x" * (READ_BYTES + 10)])
def test_torn_end_of_a_dead_file_is_skipped_with_a_warning(
    spools: Make, folder: Path, caplog: pytest.LogCaptureFixture, rest: bytes
) -> None:
    """Ours: killed in the middle of a write, or the power went."""
    folder.mkdir()
    (folder / "1-dead.jsonl").write_bytes(b"a\nb\n" + rest)
    heir = spools()
    adopt(heir)
    assert (drain(heir), files(folder)) == ([b"a", b"b"], [])
    assert heir.torn >= 1
    assert "torn line" in caplog.text


def test_unfinished_line_of_a_living_file_is_waited_for(spool: Spool, folder: Path) -> None:
    spool.append(b"a")
    (path,) = files(folder)
    with path.open("ab") as file:
        file.write(b"half")
    assert (drain(spool), spool.torn, spool.take(1)) == ([b"a"], 0, None)
