"""Ports of 127.0.0.1 for the servers that tests start."""

import socket
import sys

_reserved: list[socket.socket] = []


def reserve_port() -> int:
    """A port for one server, however often it is started again, until this process ends.

    A socket that only holds it keeps the kernel from giving it to anybody who asks for a free one.
    A server may bind it all the same, as long as it says that it reuses addresses, which they all
    do. That is how Linux does it; elsewhere the port is free now and will most likely stay so.
    """
    held = socket.socket()
    if sys.platform == "linux":
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    port: int = held.getsockname()[1]
    if sys.platform == "linux":
        _reserved.append(held)
    else:
        held.close()
    return port
