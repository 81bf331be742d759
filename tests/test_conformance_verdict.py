"""The verdict on runs of the conformance kit: nothing fails unseen, no exception grows old."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CI = Path(__file__).parent.parent / ".ci"
EXCEPTIONS = "# a reason\nold/case[json]\n"
FAILS = "FAIL  old/case[json]: why\n      text\n"
GOOD = f"{FAILS}9 passed, 1 failed\n"


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        ([GOOD], ""),
        ([GOOD, "3 passed, 0 failed\n"], ""),
        ([GOOD, "FAIL  new/case: why\n3 passed, 1 failed\n"], "failed conformance cases: new/case"),
        ([FAILS], "did not run to its end"),
        ([GOOD, ""], "did not run to its end"),
        ([GOOD, "0 passed, 0 failed\n"], "did not run to its end"),
        ([f"{FAILS}8 passed, 2 failed\n"], "did not run to its end"),
        (["3 passed, 0 failed\n"], "exceptions that pass, or are no cases: old/case[json]"),
        ([], "exceptions that pass"),
    ],
)
def test_verdict_says_what_is_wrong_with_a_run(
    tmp_path: Path, outputs: list[str], complaint: str
) -> None:
    """Ours: a kit that did not run must not pass for a green one."""
    files = [tmp_path / str(number) for number in range(len(outputs) + 1)]
    for file, text in zip(files, [EXCEPTIONS, *outputs], strict=True):
        file.write_text(text)
    command = [sys.executable, str(CI / "conformance_verdict.py"), *map(str, files)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert complaint in ended.stderr
    assert (ended.returncode == 0) == (not complaint)


def test_exceptions_have_reasons() -> None:
    """Ours: each group of cases stands behind a comment that argues for it."""
    lines = (CI / "conformance_exceptions.txt").read_text().splitlines()
    assert all(line.startswith("#") or "/" in line for line in lines if line)
    assert lines[0].startswith("#")
