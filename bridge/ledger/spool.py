"""Usage records that are not rows yet: lines in local files, added to while requests end.

Adding a line is one write of this process to a file of its own, so it costs microseconds and
outlives the process. What a killed process left behind is taken over by whoever comes first.

Where the disk takes no line (full, read-only, or SPOOL_MAX_BYTES reached), requests go on all the
same: up to MEMORY_LINES lines wait in memory, and only what comes beyond that is lost. Losses are
counted, and logged once a minute.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bridge.clocks import SYSTEM, Clock
from bridge.ledger.spool_file import MAX_LINE, READ_BYTES, SUFFIX, SpoolFile

logger = logging.getLogger(__name__)

ROTATE_BYTES = 4 * 1024 * 1024
MEMORY_LINES = 10_000
ADOPT_AT_ONCE = 64
RETRY_SECONDS = 5.0
"""Pause between two attempts to write to a disk that refused."""
REMIND_SECONDS = 60.0
SET_ASIDE = "unreadable.txt"


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines that wait, and the position behind them in their file; None: only memory has them."""

    lines: list[bytes]
    file: SpoolFile | None
    end: int = 0

    @property
    def place(self) -> tuple[str, int] | None:
        return (self.file.name, self.end) if self.file else None


class Spool:
    """The spool of one process. `append` from any thread; the rest from one thread at a time.

    `unreadable`: what has the name of a spool file and cannot be read -> why. It stays where it is.
    """

    def __init__(self, folder: Path, max_bytes: int, clock: Clock = SYSTEM.steady) -> None:
        self.folder = folder
        self._clock = clock
        self.lost = 0
        self.torn = 0
        self.removed: list[str] = []
        self.unreadable: dict[str, str] = {}
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._active: SpoolFile | None = None
        self._files: list[SpoolFile] = []
        self._memory: deque[bytes] = deque()
        self._waiting = 0
        self._bytes = 0
        self._retry_at = 0.0
        self._remind_at = 0.0

    @property
    def depth(self) -> int:
        """How many lines this process has still to turn into rows."""
        return self._waiting

    @property
    def size(self) -> int:
        """Bytes of all files in the folder, also of other processes, as last measured."""
        return self._bytes

    # --- on the request path ---

    def append(self, line: bytes) -> None:
        """Keep one line, given without its line break. Never raises."""
        with self._lock:
            fits = len(line) <= MAX_LINE
            if fits and (self._write(line + b"\n") or self._remember(line)):
                self._waiting += 1
            else:
                self.lost += 1
                self._remind(logging.ERROR)

    def _write(self, data: bytes, *, bounded: bool = True) -> bool:
        if bounded and (self._bytes + len(data) > self._max_bytes or self._is_pausing()):
            return False
        try:
            if self._active is None:
                self._active = SpoolFile.create(self.folder)
                self._files.append(self._active)
            self._active.append(data)
            self._active.waiting += 1
        except OSError as error:
            self._refused(error)
            return False
        self._bytes += len(data)
        if self._active.size >= ROTATE_BYTES:
            self._active = None
        if self._retry_at:
            self._retry_at = 0.0
            logger.warning("the usage spool can be written to again")
        return True

    def _is_pausing(self) -> bool:
        return bool(self._retry_at) and self._clock() < self._retry_at

    def _refused(self, error: OSError) -> None:
        """The disk took no line. A file that it took half a line of is not added to any more."""
        self._active = None
        if not self._retry_at:
            logger.error(
                "the usage spool %s cannot be written to (%s); up to %d records wait in memory",
                *(self.folder, error.strerror, MEMORY_LINES),
            )
        self._retry_at = self._clock() + RETRY_SECONDS

    def _remember(self, line: bytes) -> bool:
        if len(self._memory) >= MEMORY_LINES:
            return False
        self._memory.append(line)
        return True

    def _remind(self, level: int) -> None:
        """Say how things stand, but not more often than once a minute."""
        now = self._clock()
        if now >= self._remind_at:
            self._remind_at = now + REMIND_SECONDS
            logger.log(
                level,
                "usage spool: %d of %d bytes, %d records in memory, %d records lost",
                *(self._bytes, self._max_bytes, len(self._memory), self.lost),
            )

    # --- for whoever makes rows of the lines ---

    def take(self, limit: int) -> Batch | None:
        """The next lines, at most so many; None when there are none. They stay until `done`."""
        if self._memory:
            with self._lock:
                return Batch(list(islice(self._memory, limit)), None)
        for file in list(self._files):
            batch = None if file.position is None else self._take_from(file, limit)
            if batch is not None:
                return batch
        return None

    def _take_from(self, file: SpoolFile, limit: int) -> Batch | None:
        try:
            return self._read_from(file, limit)
        except OSError as error:
            self._leave_out(file.path, error)
            self._forget(file)
            file.close()
            return None

    def _read_from(self, file: SpoolFile, limit: int) -> Batch | None:
        with self._lock:
            grows = file is self._active
        while not file.is_read:
            lines, end = file.read(limit)
            self.unreadable.pop(file.name, None)
            if lines:
                return Batch(lines, file, end)
            if grows:
                return None
            self._skip_torn(file)
        if not grows:
            self._drop(file)
        return None

    def _skip_torn(self, file: SpoolFile) -> None:
        """Leave out what a process was killed in the middle of."""
        assert file.position is not None
        skipped = min(file.size - file.position, READ_BYTES)
        file.position += skipped
        self.torn += 1
        logger.warning("usage spool %s: a torn line of %d bytes was skipped", file.name, skipped)

    def done(self, batch: Batch) -> None:
        """These lines are rows."""
        with self._lock:
            self._waiting -= len(batch.lines)
            if batch.file is not None:
                batch.file.waiting -= len(batch.lines)
            if batch.file is None:
                for _ in batch.lines:
                    self._memory.popleft()
                return
            batch.file.position = batch.end
            finished = batch.file.is_read and batch.file is not self._active
        if finished:
            self._drop(batch.file)

    def _drop(self, file: SpoolFile) -> None:
        self._forget(file)
        self._remove(file)

    def _forget(self, file: SpoolFile) -> None:
        with self._lock:
            self._files.remove(file)
            self._active = None if file is self._active else self._active
            self._waiting -= file.waiting
            self._bytes = max(0, self._bytes - file.size)

    def _leave_out(self, path: Path, error: OSError) -> None:
        """Name what cannot be read, once; the rest of the spool goes on."""
        if path.name not in self.unreadable:
            why = error.strerror or type(error).__name__
            self.unreadable[path.name] = why
            logger.error("usage spool %s cannot be read (%s); it is left where it is", path, why)

    def _remove(self, file: SpoolFile) -> None:
        try:
            file.remove()
            self.removed.append(file.name)
        except OSError as error:
            logger.warning("usage spool %s cannot be removed: %s", file.name, error.strerror)

    def set_aside(self, line: bytes, why: str) -> None:
        """Keep a line that cannot become a row where an operator finds it."""
        path = self.folder / SET_ASIDE
        logger.error("a usage record could not be stored (%s); see %s", why, path)
        try:
            with path.open("ab") as file:
                file.write(line + b"\n")
        except OSError:
            self.lost += 1

    # --- now and then ---

    def adopt(self) -> None:
        """Take over files of processes that are gone; they are read once they are placed."""
        with self._lock:
            own = {file.name for file in self._files}
        here = self._paths()
        self._forget_unreadable({path.name for path in here})
        found = [path for path in here if path.name not in own]
        found.sort(key=lambda path: path.name in self.unreadable)
        for path in found[: max(0, ADOPT_AT_ONCE - len(self.unplaced()))]:
            try:
                file = SpoolFile.adopt(path)
            except FileNotFoundError:
                continue  # its owner removed it
            except OSError as error:
                self._leave_out(path, error)
                continue
            if file is not None:
                with self._lock:
                    self._files.insert(0, file)

    def unplaced(self) -> list[str]:
        """Names of adopted files whose read position nobody has reported."""
        return [file.name for file in self._files if file.position is None]

    def place(self, positions: Mapping[str, int]) -> None:
        """Say how far the adopted files have been read; those not named not at all."""
        for file in self._files:
            if file.position is None:
                file.position = min(max(0, positions.get(file.name, 0)), file.size)
                self._count(file)

    def _count(self, file: SpoolFile) -> None:
        try:
            file.waiting = file.count_lines()
        except OSError:
            return  # named when it is read
        with self._lock:
            self._waiting += file.waiting

    def _forget_unreadable(self, names: set[str]) -> None:
        """Those that somebody has taken away."""
        for name in self.unreadable.keys() - names:
            del self.unreadable[name]

    def measure(self) -> None:
        """Read the size of the whole folder, and warn when half of what it may be is reached."""
        sizes = sum(_sizes(self._paths()))
        with self._lock:
            self._bytes = sizes
            if sizes * 2 >= self._max_bytes:
                self._remind(logging.WARNING)

    def _paths(self) -> list[Path]:
        return sorted(self.folder.glob(f"*{SUFFIX}"))

    def close(self) -> None:
        """Let go of everything. What is not rows yet stays on the disk for the next process."""
        with self._lock:
            kept = [line for line in self._memory if not self._write(line + b"\n", bounded=False)]
            if kept:
                self.lost += len(kept)
                logger.error("%d usage records are lost: no disk took them", len(kept))
            self._memory.clear()
            files, self._files, self._active = self._files, [], None
            self._waiting = 0
        for file in files:
            if file.is_read:
                self._remove(file)
            else:
                file.close()


def _sizes(paths: Iterable[Path]) -> Iterable[int]:
    for path in paths:
        try:
            yield os.stat(path).st_size
        except OSError:
            continue  # removed meanwhile
