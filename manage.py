#!/usr/bin/env python3
"""Django's command line, for this project. `manage.py serve` runs the gateway."""

from __future__ import annotations

import os
import signal
import sys

OWN = ("bridge", "dashboard", "proxysite")
MISSING = (
    "No package {} here. `make run` installs what the gateway needs; then use "
    ".venv/bin/python manage.py ..."
)
INTERRUPTED, BROKEN_PIPE = 130, 141

if __name__ == "__mp_main__":  # a worker: its parent ends it, whatever keys are pressed
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxysite.settings")
    try:
        _run(sys.argv)
    except ModuleNotFoundError as error:
        name = (error.name or "").partition(".")[0]
        if name in OWN:
            raise
        sys.exit(MISSING.format(name))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # whoever reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)


def _run(arguments: list[str]) -> None:
    """Imports all the rest, which may not be there."""
    import django
    from django.core.exceptions import ImproperlyConfigured

    from proxysite import logs
    from proxysite.importing import lasting

    try:
        with lasting():
            django.setup()
        if len(arguments) > 1:
            from bridge.models import acting  # needs the apps, which are there only now

            acting.run_as_command(arguments[1])
        from proxysite.command_line import CommandLine

        CommandLine(arguments).execute()
    except ImproperlyConfigured as error:
        text = f"Configuration error. {error}"
        sys.exit(logs.last_words(text) if arguments[1:2] == ["serve"] else text)


if __name__ == "__main__":
    main()
