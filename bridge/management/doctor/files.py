"""The folder of the data, its files, and the files that hold secrets."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bridge.management.doctor.results import CheckResult, ok, problem, warning

DATA_DIR = "DATA_DIR"
LEAST_BYTES, FEW_BYTES = 100 * 1024**2, 1024**3
"""Free space of the disk below which nothing can be relied on, and below which it gets tight."""
PRIVATE = ("secret_key", "gateway.sqlite3", "gateway.sqlite3-wal", "gateway.sqlite3-shm")
MOUNTED = Path("/run/secrets")
"""Where containers see secrets, which are for all users of the container."""


def check(folder: Path, secrets: Mapping[str, Path]) -> Iterator[CheckResult]:
    """`secrets`: variable -> the file that it is read from."""
    yield from check_folder(folder)
    for name in PRIVATE:
        yield from check_private(DATA_DIR, folder / name)
    for variable, path in secrets.items():
        if MOUNTED not in path.parents:
            yield from check_private(variable, path)


def check_folder(folder: Path) -> Iterator[CheckResult]:
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        text = f"{folder} cannot be written to: {error.strerror}"
        yield problem(DATA_DIR, text, _ownership(folder))
        return
    yield _space(folder, free)
    if mode & 0o077:
        text = f"{folder} is open to other users of this machine (mode {mode:04o})"
        yield warning(DATA_DIR, text, f"chmod 700 {folder}")


def _space(folder: Path, free: int) -> CheckResult:
    text = f"{folder} can be written to, {free / 1024**3:.1f} GB are free"
    remedy = "make room: the spool of usage records and the database grow here"
    if free < LEAST_BYTES:
        return problem(DATA_DIR, text, remedy)
    return warning(DATA_DIR, text, remedy) if free < FEW_BYTES else ok(DATA_DIR, text)


def check_private(subject: str, path: Path) -> Iterator[CheckResult]:
    """A file that only its owner should read, if it is there."""
    try:
        status = path.stat()
    except OSError:
        return
    mode = stat.S_IMODE(status.st_mode)
    if not os.access(path, os.R_OK):
        yield problem(subject, f"{path} cannot be read by this user", _ownership(path))
    elif mode & 0o077:
        text = f"{path} can be read by others (mode {mode:04o})"
        yield warning(subject, text, f"chmod 600 {path}")
    else:
        yield ok(subject, f"{path} is its owner's alone")


def _ownership(path: Path) -> str:
    return f"let it belong to the user that runs the gateway: chown -R {os.geteuid()} {path}"
