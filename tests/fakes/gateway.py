"""The gateway: a process of its own, on its own port, its data in a folder.

The child sees no variable of the shell that runs the tests, except where to find programs.
"""

import enum
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes import forked
from tests.fakes.client import KEY, RawClient
from tests.fakes.forked import Forked
from tests.fakes.migrating import migrate
from tests.fakes.once import once
from tests.fakes.ports import reserve_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
"""A start shares its processor with many others on a busy machine."""
STOP_SECONDS = 25.0
POLL_SECONDS = 0.05
DATABASE = "db.sqlite3"
SQLITE = "sqlite:///"
PYTHON = (sys.executable,)
Process = subprocess.Popen[bytes] | Forked
# how the product can be started; every way is an argument of the launcher
LAUNCHERS: dict[str, dict[str, str]] = {
    "daphne": {},
    "serve": {},
    "uvicorn": {"SERVER": "uvicorn"},
}


class Ready(enum.Enum):
    """What a launched gateway must have come to before the test goes on."""

    LISTENING = "its port is open; it has not been asked anything"
    HEALTHY = "it says that it can serve"
    INFORMED = "it has learned the names of its backend's models"


def _is_tracker(pid: int) -> bool:
    """Whether it is `multiprocessing.resource_tracker`; what has ended meanwhile is not."""
    try:
        return b"resource_tracker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@dataclass(slots=True)
class Gateway:
    """A running gateway. `client` carries a key that the backend will see.

    `forced`: the test breaks it off, so that it may complain in its log.
    """

    port: int
    process: Process
    log_path: Path
    forced: bool = False
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    client: RawClient = field(init=False)
    _imports: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.client = RawClient(self.url)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def with_key(self, key: str | None) -> RawClient:
        """A client with another key, or with none."""
        return RawClient(self.url, key)

    def manage(self, *arguments: str, said: str = "") -> str:
        """Run `manage.py` as the operator of this gateway would; what it wrote."""
        command = ["manage.py", *arguments]
        done = forked.run(command, self.environment, said, START_SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def configure(self, **sections: list[dict[str, Any]]) -> None:
        """Import these sections, and return when the running process serves them.

        One more alias, to the first backend there is, shows when that is.
        """
        self._imports += 1
        seen = f"import-{self._imports}"
        known = next(iter(sections.get("backends", ())), {"name": "main"})
        marker = {"pattern": seen, "targets": [{"backend": known["name"], "model": "any"}]}
        given = sections | {"aliases": [*sections.get("aliases", ()), marker]}
        self.manage("import_config", "-", said=json.dumps(given))
        deadline = time.monotonic() + START_SECONDS
        while seen not in self.names():
            assert time.monotonic() < deadline, self.tail()
            time.sleep(POLL_SECONDS)

    def names(self) -> list[str]:
        """All names that it lists."""
        return [model["id"] for model in self.client.get("/v1/models?limit=1000").json["data"]]

    def stop(self) -> int:
        """End the process as an operator does, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        return self.wait_stopped()

    def wait_stopped(self) -> int:
        """The exit code of a process that was told to end. What does not end is killed."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(STOP_SECONDS)

    @property
    def workers(self) -> list[int]:
        """The processes that it started, by their ids, less the one that Python starts beside the
        first that is no fork."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [pid for pid in map(int, children.read_text().split()) if not _is_tracker(pid)]

    def kill(self) -> None:
        """End it and its workers as the kernel does when memory is short. Nothing of it is left."""
        handles = [os.pidfd_open(pid) for pid in (self.process.pid, *self.workers)]
        for handle in handles:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        for handle in handles:
            ended, _, _ = select.select([handle], [], [], STOP_SECONDS)
            os.close(handle)
            assert ended, "a killed process lives on"
        self.process.wait(STOP_SECONDS)

    def wait_refusing(self) -> None:
        """Return when no new connection is taken any more."""
        deadline = time.monotonic() + STOP_SECONDS
        while self.is_listening():
            assert time.monotonic() < deadline, "still takes connections"
            time.sleep(POLL_SECONDS)

    def wait_log(self, text: str) -> None:
        """Return when this stands in the log."""
        deadline = time.monotonic() + STOP_SECONDS
        while text not in self.log:
            assert time.monotonic() < deadline, self.tail()
            time.sleep(POLL_SECONDS)

    def is_listening(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def check_log(self) -> None:
        """Nothing went wrong unseen, and no key was written down."""
        before, found, after = self.log.partition("Traceback")
        assert self.forced or not found, f"an unseen error:\n{before[-200:]}{found}{after[:4000]}"
        assert KEY not in self.log, "a key in the log"

    def last_record(self) -> Any:
        """The record of its last request, from a log that is written with LOG_FORMAT=json."""
        lines = [line for line in self.log.splitlines() if '"request": {' in line]
        return json.loads(lines[-1])["request"]

    def wait_end(self) -> int:
        """The exit code of a process that was told to end, which it must do by itself."""
        return self.process.wait(STOP_SECONDS)

    def tail(self, lines: int = 60) -> str:
        return "\n".join(self.log.splitlines()[-lines:])


def launch(
    launcher: str,
    folder: Path,
    backend_url: str | None,
    variables: Mapping[str, str],
    ready: Ready = Ready.INFORMED,
    seconds: float = START_SECONDS,
    is_fresh: bool = False,
    port: int | None = None,
) -> Gateway:
    """Start a gateway and return when it is ready, within these seconds.

    `is_fresh`: from an interpreter that has nothing imported, as its users start it.
    `port`: where one listened before that has ended; one of its own otherwise.
    """
    port = port or reserve_port()
    environment = _environment(folder, port, backend_url) | LAUNCHERS[launcher] | dict(variables)
    log_path = folder / "gateway.log"
    is_migrated = _copy_database(environment["DATABASE_URL"])
    if launcher == "daphne":
        if not is_migrated:
            migrate(environment["DATABASE_URL"], folder)
        command = ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "proxysite.asgi:application"]
    else:
        command = ["manage.py", "serve"]
    with log_path.open("ab") as log:
        process = _spawn(command, environment, log.fileno(), is_fresh)
    gateway = Gateway(port, process, log_path, environment=environment)
    try:
        _wait_until_ready(gateway, ready, seconds)
    except BaseException:
        gateway.stop()
        raise
    return gateway


def _environment(folder: Path, port: int, backend_url: str | None) -> dict[str, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "DATA_DIR": str(folder / "data"),
        "DATABASE_URL": f"{SQLITE}{folder / DATABASE}",
    }
    return environment if backend_url is None else environment | {"BACKEND_URL": backend_url}


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], log: int, is_fresh: bool = False
) -> Process:
    """Start a program of the project. `is_fresh`: with an interpreter of its own, from nothing."""
    if not is_fresh:
        with open(os.devnull, "rb") as nothing:
            return Forked(command, environment, (nothing.fileno(), log, log))
    return subprocess.Popen(
        [*PYTHON, *command],
        cwd=ROOT,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def _copy_database(url: str) -> bool:
    """Put a migrated SQLite file where there is none yet; whether it is SQLite at all."""
    if not url.startswith(SQLITE):
        return False
    path = Path(url.removeprefix(SQLITE))
    if not path.exists():
        shutil.copyfile(migrated_database(), path)
    return True


def migrated_database() -> Path:
    """A migrated SQLite file without rows."""

    def make(folder: Path) -> None:
        migrate(f"{SQLITE}{folder / DATABASE}", folder)

    return once("sqlite", make) / DATABASE


def _wait_until_ready(gateway: Gateway, ready: Ready, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is_ready(gateway, ready):
        if gateway.process.poll() is not None:
            raise RuntimeError(f"ended with {gateway.process.returncode}:\n{gateway.tail()}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"not ready in time:\n{gateway.tail()}")
        time.sleep(POLL_SECONDS)


def _is_ready(gateway: Gateway, ready: Ready) -> bool:
    try:
        if ready is Ready.LISTENING:
            return gateway.is_listening()
        healthy = gateway.client.get("/health").status == 200
        if ready is Ready.HEALTHY or not healthy:
            return healthy
        return bool(gateway.client.get("/v1/models").json["data"])
    except OSError:
        return False
