"""Gateways as processes: started by a command, and what their process trees have used."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.client import Asking
from tests.bench.loads import BenchLoad
from tests.fakes.ports import reserve_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 120.0
STOP_SECONDS = 15.0
TRY_SECONDS = 0.3
_TICK = os.sysconf("SC_CLK_TCK")
_SERVE = f"{sys.executable} manage.py serve"
OWN_TARGETS = {
    "daphne": f"env SERVER=daphne {_SERVE}",
    "uvicorn": f"env SERVER=uvicorn {_SERVE}",
    "floor": f"{sys.executable} -m tests.bench.floor",
}


@dataclass(slots=True)
class BenchTarget:
    """A gateway. Its command serves on PORT of HOST, with BACKEND_URL behind it and its data in
    DATA_DIR and DATABASE_URL; `{port}` and `{backend_port}` in it are filled in."""

    name: str
    command: str
    folder: Path
    backend_port: int
    port: int = field(default_factory=reserve_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        filled = self.command.replace("{port}", str(self.port))
        argv = shlex.split(filled.replace("{backend_port}", str(self.backend_port)))
        self.folder.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.folder),
            "DATABASE_URL": f"sqlite:///{self.folder}/db.sqlite3",
            "BACKEND_URL": f"http://127.0.0.1:{self.backend_port}/v1/chat/completions",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                argv, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    async def wait_ready(self) -> None:
        """Return when it has answered a request. Raises RuntimeError."""
        deadline, faults = time.monotonic() + START_SECONDS, ["it was not asked"]
        while time.monotonic() < deadline and self.process and self.process.poll() is None:
            faults = (await Asking(BenchLoad(1, 1), self.port).run()).faults
            if not faults:
                return
            await asyncio.sleep(TRY_SECONDS)
        end = self.log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{self.name} does not answer ({faults[-1]}); its output ends:\n{end}")

    def stop(self) -> None:
        """End the processes of its group."""
        if self.process is None or self.process.poll() is not None:
            return
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(STOP_SECONDS)

    # --- what it used ---

    def cpu_ms(self) -> float:
        """Milliseconds of CPU of the whole tree so far."""
        fields = [_stat(pid) for pid in _tree(self.pid)]
        return sum(int(each[11]) + int(each[12]) for each in fields if each) * 1000 / _TICK

    def memory_mib(self) -> float:
        return sum(_resident(pid) for pid in _tree(self.pid)) / 1024**2


def _stat(pid: int) -> list[str]:
    """The fields of a process behind its name; none for one that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _tree(root: int) -> list[int]:
    parents = dict[int, list[int]]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += parents.get(pid, [])
    return found


def _resident(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0
