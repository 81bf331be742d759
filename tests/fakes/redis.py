"""A Redis server of the tests' own: a port, a scratch folder, nothing kept when it ends.

It can be stopped, and started again on the same port, where it comes back empty.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
import redis

from tests.fakes.ports import reserve_port

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.01


def program() -> str:
    """The server's program. Skips the test where there is none; in CI that is a failure."""
    path = shutil.which("redis-server")
    if path is None and os.environ.get("CI") == "true":
        pytest.fail("redis-server is not installed, and CI must not go without these tests")
    if path is None:
        pytest.skip("no Redis server: redis-server was not found (package `redis-server`)")
    return path


class RedisServer:
    """A server that runs while its context is open."""

    def __init__(self, folder: Path, password: str = "", options: Sequence[str] = ()) -> None:
        self.port = reserve_port()
        self._password = password
        self._more = options
        self._folder = folder
        self._program = program()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        login = f":{self._password}@" if self._password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and return when it answers."""
        assert self._process is None, "it is running"
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *self._options()],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + WAIT_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._log()
            assert time.monotonic() < deadline, f"not ready in time:\n{self._log()}"
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End it as a crash does, with every connection. Nothing happens if it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(WAIT_SECONDS)
            self._process = None

    def freeze(self) -> None:
        """Let connections stand, and answer nothing any more."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def calls(self, command: str) -> int:
        """How often this command was carried out so far."""
        return self._statistics(command).get("calls", 0)

    def rejected(self, command: str) -> int:
        """How often it was refused before it began."""
        return self._statistics(command).get("rejected_calls", 0)

    def _statistics(self, command: str) -> dict[str, int]:
        with self.client() as client:
            found: Any = client.info("commandstats")
        return dict(found.get(f"cmdstat_{command}", {}))

    def names(self, end: str) -> list[str]:
        """The keys whose names end like this."""
        with self.client() as client:
            found: Any = client.keys(f"*{end}")
        return sorted(found)

    def subscribers(self, prefix: str) -> list[str]:
        """The channels with this prefix to which somebody listens."""
        with self.client() as client:
            found: Any = client.pubsub_channels(f"{prefix}*")
        return list(found)

    def listeners(self, channel: str) -> int:
        """How many listen to this channel."""
        with self.client() as client:
            found: Any = client.pubsub_numsub(channel)
        return int(dict(found)[channel])

    def client(self) -> redis.Redis:
        """A client of the test's own, to be closed by it."""
        return redis.Redis.from_url(self.url, decode_responses=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _options(self) -> list[str]:
        options = {
            "--bind": "127.0.0.1",
            "--port": str(self.port),
            "--dir": str(self._folder),
            "--save": "",
            "--appendonly": "no",
        }
        if self._password:
            options["--requirepass"] = self._password
        return [*self._more, *[word for option in options.items() for word in option]]

    def _answers(self) -> bool:
        """Whether it answers at all; `-NOAUTH` is an answer too."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(7).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False

    def _log(self) -> str:
        return (self._folder / "redis.log").read_text(errors="replace")
