"""`manage.py serve`: make everything ready, say where it is, and serve until a signal ends it."""

from __future__ import annotations

import logging
import os
import signal
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from bridge.client_settings.variables import claude_code
from bridge.configuration import environment
from bridge.configuration.environment import MAIN
from bridge.configuration.snapshot import current_routes
from bridge.keys.authentication import is_loopback
from bridge.logs import uncaught
from bridge.management.preparing import FIRST_ADMIN, prepare
from bridge.models import Backend, Origin
from bridge.pages.client_settings import setup, shell_exports, start_command
from bridge.routing.types import Routes
from bridge.runtime import servers, socket_file
from bridge.runtime.listening import listen

logger = logging.getLogger("bridge.start")

RETRY_SECONDS = 1.0
LISTS_SECONDS, LISTS_PAUSE = 4.0, 0.1
"""How long the client's settings wait for the first model lists, and how often they look."""
AWAY = "The database is away, and requests get a 529 until it is reachable"
ANY_HOST = (
    "ALLOWED_HOSTS is *: requests for any name are served. Where others can reach this address, "
    "set it to the names that the gateway is reached by"
)
YOUR_GATEWAY = "https://YOUR_GATEWAY"
DEMO = "the built-in demo backend (set BACKEND_URL, or add a backend in the admin)"


class Command(BaseCommand):
    help = "Migrate, create the first admin, and serve on HOST:PORT in the foreground."
    requires_system_checks: list[str] = []
    """Django's checks are about code, which the tests have checked; `doctor` is for operators."""

    def handle(self, *args: Any, **options: Any) -> None:
        uncaught.to_log()
        sockets = listen(settings.HOST, settings.PORT, int(settings.SOCKET_MODE, 8))
        if "*" in settings.ALLOWED_HOSTS and not is_loopback(settings.HOST):
            logger.warning(ANY_HOST)
        try:
            rest = self._prepare()
        except (OperationalError, InterfaceError) as error:
            logger.error("%s: %s", AWAY, error)
            rest = self._prepare_in_time
        with socket_file.removed_after(settings.HOST):
            servers.run(sockets, rest)

    def _prepare(self) -> servers.Beside | None:
        """What is left to be done beside the server, if anything."""
        password = prepare()
        if settings.LOG_FORMAT == "json":
            _log_start(made_admin=bool(password))
            environment.apply()
            return None
        self._show(banner(password))
        environment.apply()
        routes = current_routes()
        if _waits_for_lists(routes):
            return self._show_settings_in_time
        self._show(client_lines(routes))
        return None

    def _show(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _show_settings_in_time(self) -> None:
        """Print the client's settings once the backends' lists are read. In a thread.

        On a first start no model is known before the server has read them; its rows say when.
        """
        end = time.monotonic() + LISTS_SECONDS
        try:
            while _waits_for_lists(routes := current_routes()) and time.monotonic() < end:
                time.sleep(LISTS_PAUSE)
            self._show(client_lines(routes))
        except DatabaseError:
            self._show(client_lines(Routes()))
        finally:
            connection.close()

    def _prepare_in_time(self) -> None:
        """The same, as soon as there is a database. In a thread, beside the server."""
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                rest = self._prepare()
                break
            except (OperationalError, InterfaceError):
                continue
            except ImproperlyConfigured as error:
                logger.critical("Configuration error. %s", error)
                os.kill(os.getpid(), signal.SIGTERM)
                return
            finally:
                connection.close()
        if rest:
            rest()


def base_url() -> str:
    """Where clients on this machine reach it; behind a socket only its operator knows that."""
    if socket_file.path_of(settings.HOST):
        return str(settings.PUBLIC_URL) or f"{YOUR_GATEWAY}{settings.BASE_PATH}"
    is_any = settings.HOST in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    host = "localhost" if is_any else settings.HOST
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.PORT}{settings.BASE_PATH}"


def _place() -> str:
    """Where it listens."""
    return settings.HOST if socket_file.path_of(settings.HOST) else base_url()


def banner(password: str) -> str:
    """What an operator wants to see at the start."""
    base = base_url()
    lines = [
        "",
        f"  Claude bridge {settings.VERSION} on {_place()} ({settings.SERVER})",
        "",
        f"  Admin:     {base}/admin/",
    ]
    if password:
        lines.append(f"             user {FIRST_ADMIN}, password {password} (shown only now)")
    return "\n".join([*lines, f"  Requests:  {', '.join(_goals()) or DEMO}", ""])


def _log_start(*, made_admin: bool) -> None:
    """The same for programs. Logs are kept, so the password of the first admin is not in them."""
    version, server = settings.VERSION, settings.SERVER
    goals = ", ".join(_goals()) or DEMO
    logger.info("Claude bridge %s on %s (%s), requests: %s", version, _place(), server, goals)
    if made_admin:
        logger.warning(
            "the first admin is %s; set a password: manage.py changepassword %s",
            *(FIRST_ADMIN, FIRST_ADMIN),
        )


def client_lines(routes: Routes) -> str:
    """The settings for Claude Code, for the main model."""
    connection = setup(routes, base_url())
    exports = shell_exports(claude_code(connection)).splitlines()
    lines = [
        "",
        "  Point Claude Code at it:",
        *(f"    {line}" for line in exports),
        f"    {start_command(connection)}",
        "",
    ]
    if connection.is_placeholder:
        lines.append(f"  {base_url()}/ makes them for each model of your key.\n")
    return "\n".join(lines)


def _waits_for_lists(routes: Routes) -> bool:
    return any(backend.models is None and not backend.broken for backend in routes.backends)


def _goals() -> list[str]:
    """Where requests go: the address of the environment, unless it is taken over, and rows."""
    rows = list(Backend.objects.filter(origin=Origin.OPERATOR))
    own = settings.BACKEND_URL and all(row.name != MAIN for row in rows)
    named = [f"{row.name} ({row.url})" if row.enabled else f"{row.name} (disabled)" for row in rows]
    return [settings.BACKEND_URL, *named] if own else named
