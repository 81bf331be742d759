"""`manage.py migrate`, in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

from tests.fakes import forked

SECONDS = 60.0


def migrate(database_url: str, home: Path) -> None:
    """Make all tables. `home`: a folder for what else a gateway keeps."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DATA_DIR": str(home / "data"),
        "DATABASE_URL": database_url,
    }
    done = forked.run(["manage.py", "migrate"], environment, "", SECONDS)
    if done.returncode:
        raise RuntimeError(f"migrate ended with {done.returncode}:\n{done.stdout}{done.stderr}")
