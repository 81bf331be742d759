"""A provider of OpenID Connect that others wrote (`oidc-provider-mock`), as a process."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.fakes.ports import reserve_port

WAIT_SECONDS = 90.0
POLL_SECONDS = 0.05


@contextmanager
def real_provider(*people: dict[str, Any]) -> Iterator[str]:
    """Its issuer, while it runs. `people`: their claims, `sub` among them."""
    port = reserve_port()
    given = [word for claims in people for word in ("--user-claims", json.dumps(claims))]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    process = subprocess.Popen(
        [*command, *given], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        issuer = f"http://127.0.0.1:{port}"
        _await(issuer, process)
        yield issuer
    finally:
        process.terminate()
        process.wait(WAIT_SECONDS)


def _await(issuer: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not _answers(f"{issuer}/.well-known/openid-configuration"):
        assert process.poll() is None, "the provider ended"
        assert time.monotonic() < deadline, "the provider does not answer"
        time.sleep(POLL_SECONDS)


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
