"""Tests that are shared out: what is reported, where fixtures live, and what a death costs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = """
import os, pytest

@pytest.fixture(scope="session")
def once(request):
    with open(os.environ["STARTS"], "a") as file:
        print(os.getpid(), file=file)
    yield
    with open(os.environ["ENDS"], "a") as file:
        print(os.getpid(), file=file)
"""
PROBES = """
import pytest

@pytest.fixture
def bad():
    yield
    raise ValueError("afterwards")

def test_passes(once): pass
def test_fails(): print("what it wrote"); assert 1 == 2
@pytest.mark.skip(reason="for once")
def test_is_skipped(): pass
def test_leaves_an_error(bad): pass
def test_passes_too(once, tmp_path): pass
"""
DYING = """
import os, signal
def test_dies(): os.kill(os.getpid(), signal.SIGKILL)
def test_comes_later(): pass
"""


def run(folder: Path, *options: str) -> str:
    """What pytest writes about the tests of this folder."""
    (folder / "pytest.ini").write_text("[pytest]")
    command = [sys.executable, "-m", "pytest", "-p", "tests.workers", "-p", "no:cacheprovider"]
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "STARTS": str(folder / "starts"),
        "ENDS": str(folder / "ends"),
    }
    done = subprocess.run(
        [*command, f"--basetemp={folder / 'temporary'}", *options, str(folder)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    return done.stdout


def test_reports_are_those_of_one_process_and_the_session_lives_in_each(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(SHARED)
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text(PROBES)
    written = run(tmp_path, "--jobs=2", "-rs")
    assert re.search(r"3 failed, 9 passed, 3 skipped, 3 errors in ", written)
    assert len(re.findall(r"^what it wrote$", written, re.M)) == 3
    assert written.count("ValueError: afterwards") >= 3 and "for once" in written
    assert "During handling" not in written
    starts = (tmp_path / "starts").read_text().split()
    assert len(starts) <= 2
    assert sorted(starts) == sorted((tmp_path / "ends").read_text().split())


def test_death_fails_one_test_and_costs_no_other(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"test_{number}.py").write_text(DYING)
    written = run(tmp_path, "--jobs=2")
    assert re.search(r"3 failed, 3 passed in ", written)
    assert written.count("the process that ran it ended with -9") >= 3


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_first_failure_may_end_it(tmp_path: Path, jobs: str) -> None:
    (tmp_path / "conftest.py").write_text(SHARED)
    for number in range(9):
        (tmp_path / f"test_{number}.py").write_text(PROBES)
    written = run(tmp_path, f"--jobs={jobs}", "-x")
    found = re.search(r"(\d) failed, (\d) passed", written)
    assert found is not None and int(found[1]) <= 2 and "stopping after" in written
