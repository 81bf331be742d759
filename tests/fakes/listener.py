"""Another process that listens for announcements, as a gateway's does, and tells what it hears.

`python -m tests.fakes.listener` is its program.
"""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
WAIT_SECONDS = 60.0


class Listener:
    """The process; `wait_for_more` returns when it has heard something new."""

    def __init__(self, folder: Path, variables: Mapping[str, str]) -> None:
        self._environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": "proxysite.settings",
            **variables,
        }
        self._lines = 0
        self._seen = 0
        self._changed = threading.Condition()

    def wait_for_more(self) -> None:
        with self._changed:
            more = self._changed.wait_for(lambda: self._lines > self._seen, WAIT_SECONDS)
            self._seen = self._lines
        assert more, "nothing was heard"

    def __enter__(self) -> Self:
        """Returns when it is subscribed."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.fakes.listener"],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.wait_for_more()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait(WAIT_SECONDS)
        self._reader.join(WAIT_SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for _ in self._process.stdout:
            with self._changed:
                self._lines += 1
                self._changed.notify_all()


def main() -> None:
    import django  # needs the settings, which only the child has set

    django.setup()
    from bridge.backends.breaker_sync import marks
    from bridge.cluster import announcements

    asyncio.run(announcements.listen(lambda: print("heard"), marks))


if __name__ == "__main__":
    main()
