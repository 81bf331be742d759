"""One file of the usage spool: whose it is, what was added to it, how far it has been read.

A lock on the file tells a living owner from a dead one, since the kernel gives it back when a
process ends, however it ends. Nothing is synced: what was written once outlives its process, but
not a power cut.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
from pathlib import Path

SUFFIX = ".jsonl"
READ_BYTES = 1024 * 1024
"""Read at a time."""
MAX_LINE = READ_BYTES // 4
"""No line is longer. A record is cut to less before it comes here."""


class SpoolFile:
    """A file that this process holds the lock of.

    position    bytes from the start whose lines are done with; None while that is not known
    waiting     lines behind that position
    """

    __slots__ = ("_descriptor", "path", "position", "size", "waiting")

    def __init__(self, path: Path, descriptor: int, size: int, position: int | None) -> None:
        self.path = path
        self.size = size
        self.position = position
        self.waiting = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path) -> SpoolFile:
        """A new, empty file. Raises OSError."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
        while True:
            path = folder / f"{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"
            # Whoever looks for files of dead processes may be faster with the lock: then another.
            descriptor = _locked(os.open(path, flags, 0o600))
            if descriptor is not None:
                return cls(path, descriptor, 0, 0)

    @classmethod
    def adopt(cls, path: Path) -> SpoolFile | None:
        """The file of a process that is gone; None when its owner lives. Raises OSError."""
        # Not blocking: what has the name of a spool file may be a pipe.
        descriptor = _locked(os.open(path, os.O_RDWR | os.O_APPEND | os.O_NONBLOCK))
        if descriptor is None:
            return None
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a file")
        return cls(path, descriptor, found.st_size, None)

    @property
    def name(self) -> str:
        return self.path.name

    def append(self, data: bytes) -> None:
        """All of it or nothing, in one write. Raises OSError."""
        written = os.write(self._descriptor, data)
        if written != len(data):
            os.ftruncate(self._descriptor, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += written

    def read(self, limit: int) -> tuple[list[bytes], int]:
        """The next whole lines, at most so many, and the position behind them."""
        assert self.position is not None
        data = os.pread(self._descriptor, READ_BYTES, self.position)
        lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1][:limit]
        return lines, self.position + sum(map(len, lines)) + len(lines)

    def count_lines(self) -> int:
        """How many lines are still to be read."""
        count, position = 0, self.position or 0
        while data := os.pread(self._descriptor, READ_BYTES, position):
            count += data.count(b"\n")
            position += len(data)
        return count

    @property
    def is_read(self) -> bool:
        return self.position is not None and self.position >= self.size

    def close(self) -> None:
        """Give the lock back; the file stays."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Delete the file, and give the lock back in any case. Raises OSError."""
        try:
            self.path.unlink(missing_ok=True)
        finally:
            self.close()


def _locked(descriptor: int) -> int | None:
    """The descriptor, with the lock; else closed. None as well for a file that is deleted."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink:
            return descriptor
    except BlockingIOError:
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
