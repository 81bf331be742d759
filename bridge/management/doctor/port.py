"""Whether the gateway could listen, and who does where it could not."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Iterator
from contextlib import closing

from django.core.exceptions import ImproperlyConfigured

from bridge.management.doctor.results import CheckResult, ok, problem
from bridge.runtime import socket_file
from bridge.runtime.listening import listen

PATIENCE = 3.0
MOST_BYTES = 1024 * 1024
OWN = frozenset({"version", "requests_running", "backends"})
"""Members of /health that nobody else's has together."""
_TO_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


def check(host: str, port: int) -> Iterator[CheckResult]:
    if path := socket_file.path_of(host):
        yield _at_file(path)
        return
    try:
        for taken in listen(host, port, mode=0):
            taken.close()
    except ImproperlyConfigured as error:
        subject, _, text = str(error).partition(": ")
        version = _version_there(_TO_ALL.get(host, host), port) if " in use " in text else ""
        if version:
            yield ok(subject, f"{port} of {host} is served by a gateway of version {version}")
        else:
            yield problem(subject, text.partition(";")[0], f"free it, or set another {subject}")
        return
    yield ok("PORT", f"{port} of {host} is free: no gateway runs there")


def _at_file(path: str) -> CheckResult:
    """Nothing is made there, and nothing taken away."""
    try:
        if socket_file.in_use(path):
            return ok("HOST", f"somebody listens at {path}")
    except (ImproperlyConfigured, OSError) as error:
        return problem("HOST", str(error).removeprefix("HOST: "), "name another file")
    if not os.access(os.path.dirname(path), os.W_OK):
        return problem("HOST", f"{path} cannot be made", "make its folder, for this user")
    return ok("HOST", f"{path} is free: no gateway runs there")


def _version_there(host: str, port: int) -> str:
    """The version of a gateway that answers at this address, "" where none does."""
    try:
        with closing(http.client.HTTPConnection(host, port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/health")
            document = json.loads(connection.getresponse().read(MOST_BYTES))
    except (OSError, ValueError, http.client.HTTPException):
        return ""
    is_own = isinstance(document, dict) and document.keys() >= OWN
    return str(document["version"])[:40] if is_own else ""
