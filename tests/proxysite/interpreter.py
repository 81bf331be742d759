"""Code in an interpreter of its own, which has imported nothing yet."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.fakes.gateway import ROOT


def printed(code: str, folder: Path, variables: dict[str, str]) -> str:
    """What it prints, with its data in this folder and these variables alone."""
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(folder), **variables}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout
