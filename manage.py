#!/usr/bin/env python3
"""Django's command line, for this project. `manage.py serve` runs the gateway."""

from __future__ import annotations

import os
import sys

try:
    import django
except ModuleNotFoundError:
    sys.exit("No packages here. `make run` installs them; then use .venv/bin/python manage.py ...")
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from proxysite import logs
from proxysite.importing import lasting


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxysite.settings")
    try:
        with lasting():
            django.setup()
        if len(sys.argv) > 1:
            from bridge.models import acting  # needs the apps, which are there only now

            acting.run_as_command(sys.argv[1])
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        text = f"Configuration error. {error}"
        sys.exit(logs.last_words(text) if sys.argv[1:2] == ["serve"] else text)


if __name__ == "__main__":
    main()
