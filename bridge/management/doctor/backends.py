"""The backends: name, connection, certificate, key, model list. All of them at once."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from bridge.backends import model_list
from bridge.backends.client import BackendClient, Reply
from bridge.management.doctor.clocks import compared
from bridge.management.doctor.results import CheckResult, ok, problem, warning
from bridge.routing.types import BackendConfig
from bridge.translation.errors.api_error import ApiError
from bridge.translation.json import decode

SECONDS = 10.0
"""For everything that is asked of one backend."""
MOST_BYTES = 32 * 1024 * 1024
SOON_DAYS = 14
DAY = 86_400.0
EXACT = 2.0
"""Seconds to which a Date header tells the time, with the way there and back."""


def check(backends: Sequence[BackendConfig]) -> Iterator[CheckResult]:
    if not backends:
        yield ok("backends", "none is set up: the built-in demo answers")
        return
    yield from asyncio.run(_check_all(backends))


async def _check_all(backends: Sequence[BackendConfig]) -> list[CheckResult]:
    async with aclosing(BackendClient(SECONDS)) as client:
        found = await asyncio.gather(*(_bounded(client, backend) for backend in backends))
    return [result for results in found for result in results]


async def _bounded(client: BackendClient, backend: BackendConfig) -> list[CheckResult]:
    subject = f"backend {backend.name}"
    if backend.broken:
        return [problem(subject, f"it {backend.broken}", "mend its row in the admin")]
    try:
        async with asyncio.timeout(SECONDS):
            return [*await _list(client, backend, subject), *await _certificate(backend, subject)]
    except TimeoutError:
        text = f"no answer within {SECONDS:g} seconds"
        return [
            problem(subject, text, "see that it runs, and that nothing on the way drops packets")
        ]
    except ApiError as error:
        return [problem(subject, error.for_operators, _remedy(error))]


async def _list(client: BackendClient, backend: BackendConfig, subject: str) -> list[CheckResult]:
    reply = await client.get(backend, backend.key, "models")
    try:
        raw = await reply.read(MOST_BYTES)
    finally:
        await reply.aclose()
    return [_of_status(backend, subject, reply, raw), *_clock(backend, reply)]


def _of_status(backend: BackendConfig, subject: str, reply: Reply, raw: bytes) -> CheckResult:
    if reply.status in (401, 403):
        if backend.key:
            text = f"it refuses the operator's key (status {reply.status})"
            return problem(subject, text, "enter a good one, in CHUTES_API_KEY or in its row")
        return ok(subject, "reachable; it wants the keys of callers, of which none is at hand here")
    if reply.status != 200:
        text = f"reachable, but its model list is answered with status {reply.status}"
        return warning(subject, text, "see that the address ends in the version's folder, like /v1")
    try:
        listed = len(model_list.read_list(decode(raw)))
    except (ValueError, ApiError):
        listed = 0
    if not listed:
        text = "reachable, but what it answers is no model list, or an empty one"
        return warning(subject, text, "see that the address is that of an OpenAI-compatible API")
    accepted = ", the key is accepted" if backend.key else ""
    return ok(subject, f"reachable{accepted}, {listed} model{'' if listed == 1 else 's'} listed")


def _clock(backend: BackendConfig, reply: Reply) -> Iterator[CheckResult]:
    try:
        then = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except ValueError:
        return  # it tells no time
    yield compared(f"backend {backend.name}", then - time.time(), EXACT)


async def _certificate(backend: BackendConfig, subject: str) -> list[CheckResult]:
    """How long the certificate is good; that it is good has been seen."""
    place = urlsplit(backend.url)
    if place.scheme != "https":
        return []
    try:
        _, writer = await asyncio.open_connection(
            place.hostname, place.port or 443, ssl=ssl.create_default_context()
        )
    except (OSError, socket.gaierror):
        return []
    shown = writer.get_extra_info("ssl_object").getpeercert()
    writer.transport.abort()
    days = (ssl.cert_time_to_seconds(shown["notAfter"]) - time.time()) / DAY
    text = f"its TLS certificate is good for {days:.0f} more days"
    if days < SOON_DAYS:
        return [warning(subject, text, "renew it, or ask whoever runs the backend to")]
    return [ok(subject, text)]


_REMEDIES = (
    ("does not resolve", "see that the name is right, and that this machine's DNS knows it"),
    ("refused", "see that it runs, and on which port"),
    ("not trusted", "name the authority's certificate in SSL_CERT_FILE, or renew the certificate"),
    ("another name", "use the name that the certificate is for"),
    ("speaks TLS", "write https:// in its address"),
    ("TLS handshake", "see whether the port speaks TLS at all: else write http:// in its address"),
    ("not HTTP", "see that the port is that of the API"),
)
"""Words of a cause -> what to do about it."""


def _remedy(error: ApiError) -> str:
    words = error.for_operators
    known = (remedy for mark, remedy in _REMEDIES if mark in words)
    return next(known, "see that it runs, and that this machine can reach it")
