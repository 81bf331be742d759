"""A forked program is a process like any other: its arguments, environment, files and end."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.fakes import forked
from tests.fakes.forking import PURE, UNTOUCHED
from tests.fakes.once import VARIABLE, folder

SECONDS = 60.0


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def run(program: Path, text: str, entered: str = "", **environment: str) -> tuple[int, str, str]:
    program.write_text(text)
    done = forked.run([str(program), "one", "two"], environment, entered, SECONDS)
    return done.returncode, done.stdout, done.stderr


def test_arguments_environment_and_streams_are_its_own(program: Path) -> None:
    text = """
import os, sys
print(sys.argv[1:], dict(os.environ), sys.stdin.read())
print("trouble", file=sys.stderr)
sys.exit(3)
"""
    code, output, errors = run(program, text, "entered", NAME="value")
    assert (code, errors) == (3, "trouble\n")
    assert output == "['one', 'two'] {'NAME': 'value'} entered\n"


def test_module_is_run_as_the_main_one(tmp_path: Path) -> None:
    done = forked.run(["-m", "calendar", "2026", "1"], {}, "", SECONDS)
    assert done.returncode == 0
    assert "January 2026" in done.stdout


def test_error_ends_it_with_a_traceback(program: Path) -> None:
    code, _, errors = run(program, "raise ValueError('no')")
    assert code == 1
    assert errors.endswith("ValueError: no\n")


def test_no_file_of_another_process_is_open(program: Path) -> None:
    """Else a socket or a log that somebody closes stays open in a gateway."""
    code, output, _ = run(program, "import os; print(len(os.listdir('/proc/self/fd')))")
    assert (code, int(output)) == (0, 4)  # three streams, and the listing itself


def test_servers_and_what_reads_settings_are_not_imported_before(program: Path) -> None:
    """By their modules the gateway knows which server runs it, and its settings are read anew."""
    text = "import sys; print(*sys.modules, sep='\\n')"
    _, output, _ = run(program, text)
    loaded = set(output.splitlines())
    assert {"django.db.models", "bridge.translation.profiles"} <= loaded
    assert loaded.isdisjoint([*UNTOUCHED, "proxysite", "dashboard", "daphne"])
    ours = {".".join(name.split(".")[:2]) for name in loaded if name.startswith("bridge.")}
    assert ours == set(PURE)


def test_processes_of_the_tests_share_what_forks(program: Path) -> None:
    """Each of them would import all packages for itself."""
    program.write_text("import os; print(os.getppid())")
    here = forked.run([str(program)], {}, "", SECONDS).stdout
    text = f"""
import sys
sys.path.insert(0, {str(forked.ROOT)!r})
from tests.fakes import forked
print(forked.run([{str(program)!r}], {{}}, "", 60.0).stdout)
"""
    other = program.with_name("other.py")
    other.write_text(text)
    done = forked.run([str(other)], {VARIABLE: str(folder())}, "", SECONDS)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == here.split()


def test_what_a_killed_process_has_started_ends_and_others_go_on(program: Path) -> None:
    """Else gateways stay behind whenever somebody ends the tests in the middle."""
    text = f"""
import os, sys
sys.path.insert(0, {str(forked.ROOT)!r})
from tests.fakes import forked
files = 0, 1, 2
print(forked.Forked([{str(program)!r}], {{}}, files).pid, flush=True)
os.kill(os.getpid(), 9)
"""
    other = program.with_name("other.py")
    other.write_text(text)
    program.write_text("import signal; signal.pause()")
    done = forked.run([str(other)], {VARIABLE: str(folder())}, "", SECONDS)
    assert done.returncode == -signal.SIGKILL
    left = int(done.stdout)
    deadline = time.monotonic() + SECONDS
    while Path(f"/proc/{left}").exists():
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.01)
    program.write_text("print('here')")
    assert forked.run([str(program)], {}, "", SECONDS).stdout == "here\n"


def test_signal_ends_it_with_its_number(program: Path) -> None:
    program.write_text("import signal; print('ready', flush=True); signal.pause()")
    with open(os.devnull, "rb") as nothing:
        reader, writer = os.pipe()
        process = forked.Forked([str(program)], {}, (nothing.fileno(), writer, writer))
        os.close(writer)
    with open(reader) as output:
        assert output.readline() == "ready\n"
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.kill()
        assert process.wait(SECONDS) == process.poll() == -signal.SIGKILL
    process.terminate()  # a process that has ended is left alone
