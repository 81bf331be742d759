"""Files that only the gateway's own user reads."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def keep_private(file: Path) -> None:
    """Make a database's file one that only its owner reads, before SQLite makes it for everybody.

    What SQLite puts beside it gets the same mode. Where that cannot be done, whoever opens the
    database says why.
    """
    with suppress(OSError):
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
    for path in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
        with suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                path.chmod(mode & 0o700)


def secret_from_file(path: Path) -> str:
    """The secret in this file, made at the first start and readable by its owner only."""
    try:
        if not path.exists():
            _make_secret(path)
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        expected = f"a folder that this user can write to ({path}: {error.strerror})"
        raise ImproperlyConfigured(f"DATA_DIR: expected {expected}") from None
    except ValueError:
        expected = f"printable ASCII characters in {path}"
        raise ImproperlyConfigured(f"DATA_DIR: expected {expected}") from None


def _make_secret(path: Path) -> None:
    own = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    own.touch(mode=0o600)
    own.write_text(secrets.token_urlsafe(48), encoding="ascii")
    try:
        path.hardlink_to(own)
    except FileExistsError:
        pass  # another process of this start was first; its secret counts
    finally:
        own.unlink()
