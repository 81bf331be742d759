"""What is dear to make is made once in a run of the tests, for all of its processes.

The first process makes the folder and hands its name on in the environment; it goes with that
process.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

VARIABLE = "TESTS_FOLDER"


def folder() -> Path:
    """The folder of this run. Other users may look into it."""
    if VARIABLE not in os.environ:
        made = tempfile.mkdtemp(prefix="gateway-tests-")
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        os.chmod(made, 0o755)  # noqa: S103 - a server of PostgreSQL runs as another user
        os.environ[VARIABLE] = made
    return Path(os.environ[VARIABLE])


def once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of this name, which `make` fills where nobody has done so yet."""
    place, making = folder() / name, folder() / f"{name}.making"
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir(mode=0o755)
            make(making)
            making.rename(place)
    return place
