"""Forks programs of the project, with all of it imported: `forked` starts one for each kind.

Most of a start is the import of the project, which takes place here once. Settings are read again
in each program, from its own environment. What was imported has read a few of them, each of which
is noted: a program for which one of these differs is started with an interpreter of its own.

Input is the socket to which those connect who give orders. The environment is the part that decides
what is imported.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import django
from django.conf import LazySettings, settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.loader import MigrationLoader
from django.utils.functional import empty

from tests.fakes import forking

MODULES = (
    "axes.middleware",
    "bridge.api.endpoints",
    "bridge.api.entrance",
    "bridge.http.connections",
    "bridge.http.incoming",
    "bridge.management.commands.import_config",
    "bridge.management.commands.serve",
    "bridge.pages.acting",
    "bridge.pages.csp",
    "bridge.pages.login_queue",
    "bridge.telemetry.forwarding",
    "channels.routing",
    "dashboard.live.consumers",
    "dashboard.live.origins",
    "django.contrib.auth.middleware",
    "django.contrib.messages.middleware",
    "django.contrib.sessions.backends.db",
    "django.contrib.sessions.middleware",
    "django.core.cache.backends.locmem",
    "django.core.management.commands.migrate",
    "django.middleware.clickjacking",
    "django.middleware.common",
    "django.middleware.security",
    "proxysite.lifespan",
    "proxysite.static_files",
    "proxysite.urls",
)
"""What `proxysite.asgi` and the usual commands import. It itself reads the settings."""
SETTINGS = "proxysite.settings"
DEFAULTS = "axes.conf"
"""Adds defaults to the settings, so it is run again where they are read again."""
APPLIED = ("FORCE_SCRIPT_NAME", "LOGGING", "LOGGING_CONFIG")
"""What `django.setup`, which each program calls, puts into effect anew."""


def _name_of(made: Any) -> str:
    """Of a function; of an address that is looked up later, what that is."""
    return str(getattr(made, "__qualname__", type(made).__name__))


DECISIVE: dict[str, Callable[[Any], Any]] = {
    # models ask for the longest name that it takes
    "DATABASES": lambda value: {name: each["ENGINE"] for name, each in value.items()},
    "OIDC_ISSUER": bool,
    # a page has another column where it is a number above 0
    "AXES_FAILURE_LIMIT": bool,
    # some of its functions are made whenever it is read
    "UNFOLD": lambda value: json.dumps(value, default=_name_of),
}
"""What of a setting decides on the import; all of any other."""
GET = "__getattr__"
_get = LazySettings.__getattr__


class Reads:
    """The settings that are read while it is entered, with their values."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def __enter__(self) -> Reads:
        def get(lazy: LazySettings, name: str) -> Any:
            value = _get(lazy, name)
            lazy.__dict__.pop(name, None)  # or the next reading would not come by
            if sys._getframe(1).f_globals["__name__"] != DEFAULTS and name not in APPLIED:
                self.values[name] = _decisive(name, value)
            return value

        setattr(LazySettings, GET, get)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(LazySettings, GET, _get)

    def hold(self) -> bool:
        """Whether they have these values still."""
        return all(
            _decisive(name, getattr(settings, name)) == value for name, value in self.values.items()
        )


def _decisive(name: str, value: Any) -> Any:
    return DECISIVE[name](value) if name in DECISIVE else value


def load() -> Reads:
    """Import the project, and forget the settings."""
    gc.disable()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    with TemporaryDirectory() as folder, Reads() as reads:
        os.environ["DATA_DIR"] = folder
        django.setup()
        for name in MODULES:
            importlib.import_module(name)
        MigrationLoader(None)
    forget()
    gc.freeze()
    assert not any(name in sys.modules for name in forking.UNTOUCHED)
    return reads


def forget() -> None:
    """Settings are read, and connections made of them, when somebody asks for them."""
    settings._wrapped = empty
    sys.modules.pop(SETTINGS, None)
    if "settings" in vars(connections):
        del connections[DEFAULT_DB_ALIAS]
        del connections.settings
        vars(connections)["_settings"] = None


def suits(reads: Reads) -> bool:
    """Whether the project would be imported alike with this environment.

    Where its settings are wrong, it would: the program says so itself.
    """
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS)
    try:
        settings.DEBUG  # noqa: B018 - reads them
    except Exception:  # noqa: BLE001 - whatever they raise
        forget()
        return True
    importlib.reload(sys.modules[DEFAULTS])
    return reads.hold()


if __name__ == "__main__":
    listener = socket.socket(fileno=os.dup(0))
    reads = load()
    order = forking.Parent(listener).next_program()
    os.environ.clear()
    os.environ.update(order["environment"])
    if not suits(reads):
        command = [sys.executable, *order["args"]]
        os.execve(command[0], command, order["environment"])  # noqa: S606 - python itself
    gc.enable()
    forking.run(order["args"])
