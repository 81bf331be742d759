"""A PgBouncer of the tests' own in transaction mode, in front of a PostgreSQL server of theirs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.fakes import postgres
from tests.fakes.ports import reserve_port

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
SETTINGS = """
[databases]
* = host=127.0.0.1 port={server} user=gateway
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
server_login_retry = 1
"""


@dataclass(slots=True)
class Pool:
    """Four connections for everybody. It can go away and come back."""

    folder: Path
    server: postgres.Server
    program: str
    port: int = field(default_factory=reserve_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.server.url.replace(str(self.server.port), str(self.port))

    def start(self) -> None:
        file = self.folder / "pgbouncer.ini"
        file.write_text(SETTINGS.format(server=self.server.port, port=self.port))
        with (self.folder / "pgbouncer.log").open("ab") as log:
            self.process = subprocess.Popen(
                [self.program, str(file)], stdout=log, stderr=log, user=self.server.user
            )
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                log_text = (self.folder / "pgbouncer.log").read_text()
                assert self.process.poll() is None and time.monotonic() < deadline, log_text
                time.sleep(POLL_SECONDS)

    def wait_serving(self) -> None:
        """Return when it reaches the server, which it does not try again at once."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                with psycopg.connect(self.url) as connection:
                    connection.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """At once, with every connection."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(WAIT_SECONDS)
            self.process = None


@contextmanager
def pooling(server: postgres.Server) -> Iterator[Pool]:
    places = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    program = shutil.which("pgbouncer", path=places)
    if program is None:
        pytest.skip("pgbouncer is not installed (package `pgbouncer` in Debian)")
    pool = Pool(server.folder, server, program)
    pool.start()
    try:
        yield pool
    finally:
        pool.stop()
