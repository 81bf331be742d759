"""The collectors of telemetry: somebody answers at their addresses."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import closing
from urllib.parse import urlsplit

from bridge.management.doctor.results import CheckResult, ok, warning

SECONDS = 5.0
PORTS = {"http": 80, "https": 443}
AWAY = "see that it runs, and on which port; requests are served all the same"


def check(addresses: Mapping[str, str]) -> Iterator[CheckResult]:
    """`addresses`: name of the variable -> address, "" where none is set."""
    for name, address in addresses.items():
        if address:
            yield _reached(name, address)


def _reached(name: str, address: str) -> CheckResult:
    place = urlsplit(address)
    port = place.port or PORTS[place.scheme]
    try:
        with closing(socket.create_connection((place.hostname or "", port), SECONDS)):
            return ok(name, "the collector takes connections")
    except OSError as error:
        cause = error.strerror or "no answer"
        return warning(name, f"the collector cannot be reached: {cause}", AWAY)
