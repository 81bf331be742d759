"""REDIS_URL: one Redis, one that Sentinels watch, or a Redis Cluster. Connects to nothing.

    redis://USER:PASSWORD@HOST:PORT/NUMBER          also rediss:// (TLS), and unix:///PATH
    redis+sentinel://USER:PASSWORD@HOST:26379,HOST:26379/MASTER/NUMBER
    redis+cluster://USER:PASSWORD@HOST:6379,HOST:6379

The last two work with rediss+ too. A query string holds options of redis-py; with Sentinels,
`sentinel_username` and `sentinel_password` are those of the Sentinels themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from redis.asyncio.connection import parse_url

Kind = Literal["single", "sentinel", "cluster"]
Node = tuple[str, int]
PORTS = {"single": 6379, "sentinel": 26379, "cluster": 6379}
_OF_SENTINELS = "sentinel_"


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where Redis is.

    url       of a single Redis, as redis-py reads it
    nodes     the Sentinels, or nodes of the cluster; any of them knows the others
    master    the name by which Sentinels know it
    options   of a connection, as redis-py names them: login, number, and what the query says
    sentinel_options   of a connection to a Sentinel
    """

    kind: Kind
    url: str = field(default="", repr=False)
    nodes: tuple[Node, ...] = ()
    master: str = ""
    is_encrypted: bool = False
    options: dict[str, Any] = field(default_factory=dict, repr=False)
    sentinel_options: dict[str, Any] = field(default_factory=dict, repr=False)


def read(url: str) -> RedisAddress:
    """The address. Raises ValueError where it makes no sense."""
    scheme, _, rest = url.partition("://")
    base, _, kind = scheme.partition("+")
    if not kind:
        return RedisAddress("single", url)
    if base not in ("redis", "rediss") or kind not in ("sentinel", "cluster"):
        raise ValueError("no such scheme")
    return _of_several(base, "sentinel" if kind == "sentinel" else "cluster", rest)


def _of_several(base: str, kind: Kind, rest: str) -> RedisAddress:
    place, _, query = rest.partition("?")
    authority, _, path = place.partition("/")
    login, at, names = authority.rpartition("@")
    nodes = tuple(_node(name, PORTS[kind]) for name in names.split(","))
    master, _, number = path.partition("/") if kind == "sentinel" else ("", "", path)
    if (kind == "sentinel" and not master) or not _is_number(number):
        raise ValueError("no name of the master, or a database that is no number")
    if kind == "cluster" and number not in ("", "0"):
        raise ValueError("a cluster has one database")
    options = dict(parse_url(f"{base}://{login}{at}host/{number}?{query}"))
    for name in ("host", "port", "connection_class", *(("db",) if kind == "cluster" else ())):
        options.pop(name, None)
    own = {
        name.removeprefix(_OF_SENTINELS): options.pop(name)
        for name in list(options)
        if name.startswith(_OF_SENTINELS)
    }
    return RedisAddress(kind, "", nodes, master, base == "rediss", options, own)


def _node(name: str, port: int) -> Node:
    parts = urlsplit(f"//{name}")
    if not parts.hostname or parts.username or parts.port == 0:
        raise ValueError("a host without a name")
    return parts.hostname, parts.port or port


def _is_number(database: str) -> bool:
    return not database or database.isdecimal()
