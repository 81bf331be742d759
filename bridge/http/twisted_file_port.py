"""A Unix socket that was made before Twisted: neither its rights nor its end are Twisted's.

Twisted opens the file of a socket that it adopts to everybody, and removes it at the end, even
where another process has put its own there by then.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import reactor, tcp, unix

# Twisted has no types for them.
_Port: Any = tcp.Port


class FilePort(unix.Port):
    """A port whose file others look after."""

    def connectionLost(self, reason: Any) -> None:
        _Port.connectionLost(self, reason)


_FilePort: Any = FilePort


def file_port(listening: socket.socket, factory: Any) -> Any:
    """A port that serves on this socket, with the rights that its file has."""
    port = _FilePort._fromListeningDescriptor(reactor, listening.fileno(), factory)
    port.mode = os.stat(listening.getsockname()).st_mode & 0o777
    port.startListening()
    return port
