"""The real Caddyfile in a real Caddy, in front of one gateway or of several."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from tests.fakes.client import RawClient
from tests.fakes.ports import reserve_port

CADDYFILE = Path(__file__).resolve().parents[2] / "deploy" / "Caddyfile"
SEVERAL = CADDYFILE.with_name("Caddyfile.several")
WAIT_SECONDS = 60.0


def caddy() -> str:
    """Caddy from this environment or from the system; skips the test where there is none."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    path = shutil.which("caddy", path=places)
    if path is None:
        pytest.skip("caddy is not installed (package `caddy` in Debian)")
    return path


def environment(home: Path, variables: Mapping[str, str]) -> dict[str, str]:
    """Caddy keeps certificates and its last configuration below HOME."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), **variables}


class Front:
    """A running Caddy; `client` talks through it. `upstream`: addresses, with blanks between."""

    def __init__(self, home: Path, upstream: str, file: Path = CADDYFILE) -> None:
        port = reserve_port()
        self.url = f"http://127.0.0.1:{port}"
        self.client = RawClient(self.url)
        self._log: list[str] = []
        self._logged = threading.Condition()
        self.process = subprocess.Popen(
            [caddy(), "run", "--config", str(file), "--adapter", "caddyfile"],
            env=environment(
                home, {"CADDY_DOMAIN": f"http://127.0.0.1:{port}", "CADDY_UPSTREAM": upstream}
            ),
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def wait_logged(self, words: str, times: int = 1) -> None:
        """Return once Caddy has said this so often."""
        with self._logged:
            said = self._logged.wait_for(
                lambda: sum(words in line for line in self._log) >= times, WAIT_SECONDS
            )
        assert said, "".join(self._log)

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(WAIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(WAIT_SECONDS)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._logged:
                self._log.append(line)
                self._logged.notify_all()

    def __enter__(self) -> Self:
        self.wait_logged("serving initial configuration")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._reader.join(WAIT_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
