"""The sockets that the servers serve on, taken before anything is promised to anybody.

Both servers get them made, so that an address means the same under both: `::` serves IPv4 too.
"""

from __future__ import annotations

import errno
import os
import socket

from django.core.exceptions import ImproperlyConfigured

from bridge.runtime import socket_file

BACKLOG = 2048
ANY_IPV6 = "::"
_REASONS = {
    errno.EADDRINUSE: "PORT: {port} of {host} is in use by another program; choose a free one",
    errno.EADDRNOTAVAIL: "HOST: {host} is not an address of this machine",
    errno.EACCES: "PORT: this user may not listen on {port}; choose one from 1024 on",
    errno.EAFNOSUPPORT: "HOST: this machine has no addresses of the kind of {host}",
}


def listen(host: str, port: int, mode: int) -> list[socket.socket]:
    """A socket for each address of the host, or one at the file that it names, with these rights.

    Raises ImproperlyConfigured with the setting.
    """
    if path := socket_file.path_of(host):
        return [socket_file.listen_at(path, mode)]
    sockets, refused = list[socket.socket](), list[OSError]()
    for family, address in _addresses(host, port):
        try:
            sockets.append(_listening(family, address, both=host == ANY_IPV6))
        except OSError as error:
            refused.append(error)
    # A name may stand for ::1 and 127.0.0.1 where only one of them exists.
    grave = [error for error in refused if error.errno not in (errno.EADDRNOTAVAIL,)]
    if sockets and not grave:
        return sockets
    for each in sockets:
        each.close()
    raise ImproperlyConfigured(_reason((grave or refused)[0], host, port))


def _addresses(host: str, port: int) -> list[tuple[int, tuple[object, ...]]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "no name of a host"
        raise ImproperlyConfigured(f"HOST: {host} cannot be resolved ({why})") from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _listening(family: int, address: tuple[object, ...], *, both: bool) -> socket.socket:
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(not both))
        taken.bind(address)
        taken.listen(BACKLOG)  # two that only bind would both succeed
    except OSError:
        taken.close()
        raise
    taken.setblocking(False)
    return taken


def _reason(error: OSError, host: str, port: int) -> str:
    why = os.strerror(error.errno) if error.errno else str(error)
    known = _REASONS.get(error.errno or 0, "HOST: {host}:{port} cannot be listened on ({why})")
    return known.format(host=host, port=port, why=why)
