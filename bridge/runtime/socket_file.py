"""A Unix socket to listen on: made with its rights, taken over from a process that is gone.

Only a file that nobody listens at is replaced. Two starts at the same moment take turns, so that
none takes away what the other has just made.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.core.exceptions import ImproperlyConfigured

SCHEME = "unix:"
"""What HOST begins with where it names a file."""
BACKLOG = 2048
CLOSED = 0o177
"""A umask: until the file has its rights, only the owner may connect."""


def path_of(host: str) -> str:
    """The file that HOST names; "" where it is an address."""
    return host.removeprefix(SCHEME) if host.startswith(SCHEME) else ""


def listen_at(path: str, mode: int) -> socket.socket:
    """A socket that listens at this file. Raises ImproperlyConfigured with the setting."""
    try:
        with _turn(os.path.dirname(path)):
            if in_use(path):
                raise ImproperlyConfigured(f"HOST: {path} is in use by another program")
            with suppress(FileNotFoundError):
                os.unlink(path)
            return _bound(path, mode)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ImproperlyConfigured(f"HOST: {path} cannot be listened on ({why})") from None


def in_use(path: str) -> bool:
    """Whether somebody listens at this file. Raises ImproperlyConfigured where it is no socket."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            raise ImproperlyConfigured(f"HOST: {path} is there already and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)  # a queue that is full is somebody's
        try:
            asking.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True
    return True


@contextmanager
def removed_after(host: str) -> Iterator[None]:
    """Take the file away at the end, unless another process listens there by then."""
    try:
        yield
    finally:
        if path := path_of(host):
            with suppress(OSError, ImproperlyConfigured), _turn(os.path.dirname(path)):
                if not in_use(path):
                    os.unlink(path)


def _bound(path: str, mode: int) -> socket.socket:
    taken = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(CLOSED)
    try:
        taken.bind(path)
        taken.listen(BACKLOG)
        os.chmod(path, mode)
    except OSError:
        taken.close()
        raise
    finally:
        os.umask(before)
    taken.setblocking(False)
    return taken


@contextmanager
def _turn(folder: str) -> Iterator[None]:
    """One process at a time in this folder."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
