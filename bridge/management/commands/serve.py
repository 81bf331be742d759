"""`manage.py serve`: make everything ready, say where it is, and serve until a signal ends it."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, connection

from bridge.configuration.environment import MAIN
from bridge.configuration.snapshot import DEMO_CONTEXT, DEMO_MODEL
from bridge.keys.authentication import is_loopback
from bridge.management.preparing import FIRST_ADMIN, prepare
from bridge.models import Backend, Origin
from bridge.runtime import servers
from bridge.runtime.listening import listen

RETRY_SECONDS = 1.0
AWAY = "The database is away, and requests get a 529 until it is reachable"
ANY_HOST = (
    "ALLOWED_HOSTS is *: requests for any name are served. Where others can reach this address, "
    "set it to the names that the gateway is reached by"
)
DEMO = "the built-in demo backend (set BACKEND_URL, or add a backend in the admin)"


class Command(BaseCommand):
    help = "Migrate, create the first admin, and serve on HOST:PORT in the foreground."

    def handle(self, *args: Any, **options: Any) -> None:
        sockets = listen(settings.HOST, settings.PORT)
        if "*" in settings.ALLOWED_HOSTS and not is_loopback(settings.HOST):
            self.stderr.write(ANY_HOST)
        try:
            self._prepare()
        except (OperationalError, InterfaceError) as error:
            self.stderr.write(f"{AWAY}: {error}")
            threading.Thread(target=self._prepare_in_time, daemon=True).start()
        servers.run(sockets)

    def _prepare(self) -> None:
        password = prepare()
        self.stdout.write(banner(password))
        self.stdout.flush()

    def _prepare_in_time(self) -> None:
        """The same, as soon as there is a database. In a thread, beside the server."""
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                self._prepare()
                return
            except (OperationalError, InterfaceError):
                continue
            except ImproperlyConfigured as error:
                self.stderr.write(f"Configuration error. {error}")
                os.kill(os.getpid(), signal.SIGTERM)
                return
            finally:
                connection.close()


def base_url() -> str:
    is_any = settings.HOST in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
    host = "localhost" if is_any else settings.HOST
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.PORT}"


def banner(password: str) -> str:
    """What an operator wants to see at the start."""
    base = base_url()
    goals = _goals()
    lines = [
        "",
        f"  Claude bridge {settings.VERSION} on {base} ({settings.SERVER})",
        "",
        "  Point Claude Code at it:",
        f"    export ANTHROPIC_BASE_URL={base}",
        *(_OF_A_MODEL if goals else _OF_THE_DEMO),
        "",
        f"  Admin:     {base}/admin/",
    ]
    if password:
        lines.append(f"             user {FIRST_ADMIN}, password {password} (shown only now)")
    return "\n".join([*lines, f"  Requests:  {', '.join(goals) or DEMO}", ""])


_OF_THE_DEMO = (
    "    export ANTHROPIC_AUTH_TOKEN=any-key",
    "    export ANTHROPIC_API_KEY=''",
    f"    export ANTHROPIC_MODEL={DEMO_MODEL}",
    f"    export CLAUDE_CODE_MAX_CONTEXT_TOKENS={DEMO_CONTEXT}",
)
_OF_A_MODEL = (
    "    export ANTHROPIC_AUTH_TOKEN=YOUR_KEY",
    "    export ANTHROPIC_API_KEY=''",
    "    export ANTHROPIC_MODEL=YOUR_MODEL",
    "    export CLAUDE_CODE_MAX_CONTEXT_TOKENS=ITS_CONTEXT_WINDOW",
)


def _goals() -> list[str]:
    """Where requests go: the address of the environment, unless it is taken over, and rows."""
    rows = list(Backend.objects.filter(origin=Origin.OPERATOR))
    own = settings.BACKEND_URL and all(row.name != MAIN for row in rows)
    named = [f"{row.name} ({row.url})" if row.enabled else f"{row.name} (disabled)" for row in rows]
    return [settings.BACKEND_URL, *named] if own else named
