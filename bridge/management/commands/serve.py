"""`manage.py serve`: make everything ready, say where it is, and serve until told to stop."""

from __future__ import annotations

import secrets
import threading
import time
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import OperationalError, connection

from bridge.keys.authentication import is_loopback
from bridge.models import Backend, Origin
from bridge.runtime import servers

FIRST_ADMIN = "admin"
RETRY_SECONDS = 1.0
AWAY = "The database is away, and requests are told so until it is there"
ANY_HOST = (
    "ALLOWED_HOSTS is *: requests for any name are served. Where others can reach this address, "
    "set it to the names that the gateway is reached by"
)
DEMO = "the built-in demo backend (set BACKEND_URL, or add a backend in the admin)"


class Command(BaseCommand):
    help = "Migrate, create the first admin, and serve on HOST:PORT in the foreground."

    def handle(self, *args: Any, **options: Any) -> None:
        if "*" in settings.ALLOWED_HOSTS and not is_loopback(settings.HOST):
            self.stderr.write(ANY_HOST)
        try:
            self._prepare()
        except OperationalError as error:
            if connection.vendor == "sqlite":
                raise  # it is a file, and will not come by itself
            self.stderr.write(f"{AWAY}: {error}")
            threading.Thread(target=self._prepare_in_time, daemon=True).start()
        servers.run()

    def _prepare(self) -> None:
        call_command("migrate", verbosity=0, interactive=False)
        password = first_admin()
        self.stdout.write(banner(password))
        self.stdout.flush()

    def _prepare_in_time(self) -> None:
        """The same, as soon as there is a database. In a thread, beside the server."""
        while True:
            time.sleep(RETRY_SECONDS)
            try:
                self._prepare()
                return
            except OperationalError:
                continue
            finally:
                connection.close()


def first_admin() -> str:
    """Create the first admin when there is none; its password, else ""."""
    users = get_user_model().objects
    if users.filter(is_superuser=True).exists():
        return ""
    password = secrets.token_urlsafe(12)
    users.create_superuser(FIRST_ADMIN, password=password)
    return password


def base_url() -> str:
    host = settings.HOST if settings.HOST not in ("0.0.0.0", "::") else "localhost"
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.PORT}"


def banner(password: str) -> str:
    """What an operator wants to see at the start."""
    base = base_url()
    goal = settings.BACKEND_URL or ", ".join(_operators_backends())
    demo = not goal
    model = "demo/echo" if demo else "YOUR_MODEL"
    key = "any-key" if demo else "YOUR_KEY"
    lines = [
        "",
        f"  Claude bridge {settings.VERSION} on {base} ({settings.SERVER})",
        "",
        "  Point Claude Code at it:",
        f"    export ANTHROPIC_BASE_URL={base}",
        f"    export ANTHROPIC_AUTH_TOKEN={key}",
        "    export ANTHROPIC_API_KEY=''",
        f"    export ANTHROPIC_MODEL={model}",
        "",
        f"  Admin:     {base}/admin/",
    ]
    if password:
        lines.append(f"             user {FIRST_ADMIN}, password {password} (shown only now)")
    return "\n".join([*lines, f"  Requests:  {goal or DEMO}", ""])


def _operators_backends() -> list[str]:
    rows = Backend.objects.filter(origin=Origin.OPERATOR)
    return [f"{row.name} ({row.url})" if row.enabled else f"{row.name} (disabled)" for row in rows]
