"""Several Redis servers of the tests' own: a master with Sentinels, and a cluster of two nodes."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.fakes.ports import reserve_port
from tests.fakes.redis import POLL_SECONDS, WAIT_SECONDS, RedisServer

SLOTS = 16384
PASSWORD = "s3cret"


def until(condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(POLL_SECONDS)


# --- Sentinel -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Watched:
    """A master and a replica, watched by Sentinels."""

    master: RedisServer
    replica: RedisServer
    sentinels: tuple[int, ...]

    @property
    def url(self) -> str:
        nodes = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return f"redis+sentinel://:{PASSWORD}@{nodes}/mymaster/0"

    def fail_over(self) -> None:
        """The master is killed, and the Sentinels agree on the replica."""
        self.master.stop()
        with redis.Redis(port=self.sentinels[0]) as sentinel:
            until(lambda: self._master(sentinel) == self.replica.port, 30)

    @staticmethod
    def _master(sentinel: Any) -> int:
        found: Any = sentinel.sentinel_get_master_addr_by_name("mymaster")
        return int(found[1])


@contextmanager
def watched(folder: Path, count: int = 3) -> Iterator[Watched]:
    program = shutil.which("redis-sentinel")
    if program is None:
        pytest.skip("no Sentinel: redis-sentinel was not found (package `redis-sentinel`)")
    with ExitStack() as stack:
        master, replica = _server(folder / "m"), _server(folder / "r")
        stack.enter_context(master)
        stack.enter_context(replica)
        with replica.client() as client:
            client.replicaof("127.0.0.1", master.port)
        with master.client() as client:
            until(partial(_has_replica, client))
        ports = tuple(reserve_port() for _ in range(count))
        for port in ports:
            stack.enter_context(_sentinel(program, folder, port, master.port, count // 2 + 1))
        for port in ports:
            with redis.Redis(port=port) as sentinel:
                until(partial(_is_settled, sentinel, count))
        yield Watched(master, replica, ports)


def _server(folder: Path) -> RedisServer:
    folder.mkdir()
    return RedisServer(folder, PASSWORD, ["--masterauth", PASSWORD])


def _has_replica(client: Any) -> bool:
    return bool(client.info("replication")["connected_slaves"] == 1)


def _is_settled(sentinel: Any, count: int) -> bool:
    """Whether it knows the replica and the other Sentinels."""
    found = sentinel.sentinel_master("mymaster")
    return bool((found["num-slaves"], found["num-other-sentinels"]) == (1, count - 1))


@contextmanager
def _sentinel(program: str, folder: Path, port: int, master: int, quorum: int) -> Iterator[None]:
    settings = folder / f"sentinel-{port}.conf"
    settings.write_text(
        f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
        f"sentinel monitor mymaster 127.0.0.1 {master} {quorum}\n"
        f"sentinel auth-pass mymaster {PASSWORD}\n"
        "sentinel down-after-milliseconds mymaster 500\n"
        "sentinel failover-timeout mymaster 5000\n"
    )
    with (folder / f"sentinel-{port}.log").open("ab") as log:
        process = subprocess.Popen([program, str(settings)], stdout=log, stderr=log)
    try:
        until(lambda: _answers(port))
        yield
    finally:
        process.kill()
        process.wait(WAIT_SECONDS)


def _answers(port: int) -> bool:
    try:
        with redis.Redis(port=port) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


# --- cluster ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two nodes, each with half of the slots."""

    nodes: tuple[RedisServer, RedisServer]

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def names(self) -> list[list[str]]:
        """The keys on each node."""
        return [node.names("") for node in self.nodes]


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        nodes = []
        for name in ("a", "b"):
            (folder / name).mkdir()
            bus = ["--cluster-enabled", "yes", "--cluster-port", str(reserve_port())]
            nodes.append(stack.enter_context(RedisServer(folder / name, options=bus)))
        first, second = nodes
        one: Any
        other: Any
        with first.client() as one, second.client() as other:
            bus_port = other.config_get("cluster-port")["cluster-port"]
            one.execute_command("CLUSTER MEET", "127.0.0.1", second.port, bus_port)
            one.execute_command("CLUSTER ADDSLOTSRANGE", 0, SLOTS // 2 - 1)
            other.execute_command("CLUSTER ADDSLOTSRANGE", SLOTS // 2, SLOTS - 1)
            for client in (one, other):
                until(partial(_is_whole, client))
        yield Cluster((first, second))


def _is_whole(client: Any) -> bool:
    found = client.execute_command("CLUSTER INFO")
    known = client.execute_command("CLUSTER NODES")
    return bool(found["cluster_state"] == "ok" and len(known) == 2)
